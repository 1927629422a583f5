"""Base of the estimators: checks of the input, restarts, convergence and fitted attributes."""

import copy
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_matrix, issparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ..arguments import check_count, check_number, shown
from ..errors import NmfaudioError
from ..nmf.beta_divergence import beta_of, divergence, times_power
from ..nmf.descent import descend, telling
from ..nmf.start import initialise

_MOST_WEIGHT = 2.0**60  # of a penalty: values around 1 are nothing beside it, and its square is a number in float32


@dataclass
class Run:
    """One run from one start: ``X`` is about ``W @ H``.

    Parameters
    ----------
    W : ndarray, shape (n_samples, n_components)
    H : ndarray, shape (n_components, n_features)
    objective : ndarray, shape (n_iter + 1,)
        The objective at the start and after every iteration.
    extra : dict
        Further fitted attributes of the estimator, by name.
    """

    W: np.ndarray
    H: np.ndarray
    objective: np.ndarray
    extra: dict[str, Any] = field(default_factory=dict)


class Factorizer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of the estimators, in scikit-learn's conventions: X is (n_samples, n_features), ``X`` is about ``W @ H``.

    For a spectrogram V (F, N) samples are frames: X is V's transpose, the rows of `components_` are atoms, and W, which
    `transform` returns, holds the activations.

    A subclass has the parameters `n_components`, `max_iter`, `tol`, `random_state` and, if another start may give
    another result, `n_init`; it defines

    - ``_run(X, rng)``, one `Run` from one start, with the help of `_descend`, and
    - ``_activations(X)``, the W that fits X to `components_`.

    Both are given values that can be squared and multiplied in X's precision: data far from 1 is divided by a power of
    two first, W and H by theirs (`_levels`), and all of it is undone in the results. A penalty follows by `_weight`.

    Attributes
    ----------
    components_ : ndarray, shape (n_components, n_features)
        H of the best run.
    n_components_ : int
        Number of components.
    n_features_in_ : int
        Number of features seen in `fit`; `feature_names_in_` holds their names, if they have any.
    n_iter_ : int
        Iterations of the best run.
    objective_ : ndarray, shape (n_iter_ + 1,)
        Objective of the best run at its start and after every iteration.
    restarts_ : ndarray, shape (n_init,)
        Last objective of every run; the problem is not convex, and their spread says how much the start matters.
    reconstruction_err_ : float
        ``sqrt(2 D)`` of the divergence D between X and W H: the Frobenius norm of the difference for beta = 2.
    """

    _accepts_sparse = False  # scipy.sparse matrices
    _non_negative = True  # X must be
    _allows_nan = False  # NaN in X stands for a missing entry
    _any_order = False  # X may be a tensor
    _pairwise = False  # X holds similarities of samples
    _level_in = "both"  # the factor that has X's level: "W", "H" or "both"
    _levels = 0, 0  # powers of two that W and H are divided by

    def fit(self, X: ArrayLike, y: None = None) -> "Factorizer":
        """Factorise X.

        Parameters
        ----------
        X : {array_like, sparse matrix}, shape (n_samples, n_features)
        y : None
            Ignored.

        Returns
        -------
        self
        """
        self.fit_transform(X)
        return self

    def fit_transform(self, X: ArrayLike, y: None = None) -> np.ndarray:
        """Factorise X and return its activations.

        Parameters
        ----------
        X : {array_like, sparse matrix}, shape (n_samples, n_features)
        y : None
            Ignored.

        Returns
        -------
        W : ndarray, shape (n_samples, n_components)
        """
        return self._fit(X)

    def _fit(self, X: ArrayLike, **more: Any) -> np.ndarray:
        """Fit and return W; `more` goes to `_run`."""
        self._check_parameters()
        X = self._checked(X, reset=True)
        exponent = level_of(X, self._beta)
        w, h = {"W": (exponent, 0), "H": (0, exponent), "both": (exponent // 2, exponent // 2)}[self._level_in]
        model, data = self._at(w, h), scaled(X, -exponent)
        rng = generator(self.random_state)
        runs = [model._run(data, rng, **more) for _ in range(getattr(self, "n_init", 1))]
        last = np.array([run.objective[-1] for run in runs])
        if np.isnan(last).any():
            raise NmfaudioError(
                f"{type(self).__name__} broke down; does init hold values as large as those of X ask for?"
            )
        best = runs[int(np.argmin(last))]
        error = model._reconstruction_error(data, best)
        np.ldexp(best.W, w, out=best.W)
        np.ldexp(best.H, h, out=best.H)
        power = exponent * self._beta
        self.restarts_, self.objective_ = times_power(last, power), times_power(best.objective, power)
        self.components_ = best.H
        self.n_components_, self.n_iter_ = len(best.H), len(best.objective) - 1
        for name, value in best.extra.items():
            setattr(self, name, value)
        self.reconstruction_err_ = float(times_power(np.array(error), power / 2))
        if self.n_iter_ == self.max_iter and self.tol > 0:
            text = f"{type(self).__name__} has not converged after {self.n_iter_} iterations; raise max_iter or tol"
            warnings.warn(text, ConvergenceWarning, stacklevel=3)
        return best.W

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Activations of X for the fitted components.

        Parameters
        ----------
        X : {array_like, sparse matrix}, shape (n_samples, n_features)

        Returns
        -------
        W : ndarray, shape (n_samples, n_components)
        """
        check_is_fitted(self)
        return self._transformed(self._checked(X, reset=False))

    def _transformed(self, X: np.ndarray, **more: Any) -> np.ndarray:
        """Activations of checked data; `more` goes to `_activations`."""
        exponent, h = level_of(X, self._beta), level_of(self.components_, self._beta)
        model = self._at(exponent - h, h)
        model.components_ = scaled(self.components_, -h)
        return scaled(model._activations(scaled(X, -exponent), **more), exponent - h)

    def _at(self, w: int, h: int) -> "Factorizer":
        """A copy for W and H divided by ``2**w`` and ``2**h``, whose start is divided too."""
        model = copy.copy(self)
        model._levels = w, h
        if (w or h) and isinstance(getattr(self, "init", None), tuple | list):
            with suppress(TypeError, ValueError):  # what is no start is named where starts are checked
                first, *others, last = self.init
                model.init = np.ldexp(first, -w), *others, np.ldexp(last, -h)
        return model

    def _weight(self, alpha: float, of_W: float, of_H: float = 0.0) -> float:
        """Weight of a penalty of such degrees in W and H where they, and the divergence, are scaled."""
        w, h = self._levels
        weight = times_power(np.array(alpha, float), of_W * w + of_H * h - self._beta * (w + h))
        return min(float(weight), _MOST_WEIGHT)

    def inverse_transform(self, X: ArrayLike) -> np.ndarray:
        """Data that activations stand for.

        Parameters
        ----------
        X : {array_like, sparse matrix}, shape (n_samples, n_components)
            Activations.

        Returns
        -------
        ndarray, shape (n_samples, n_features)
        """
        check_is_fitted(self)
        return dense(X) @ self.components_

    def _run(self, X: np.ndarray, rng: np.random.RandomState) -> Run:
        raise NotImplementedError

    def _activations(self, X: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _initial(self, X: np.ndarray | csr_matrix, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        """W and H to start from; several runs start at random unless `init` says otherwise."""
        init = "random" if self.init is None and self.n_init > 1 else self.init
        return initialise(X, self.n_components, init, rng)

    def _descend(self, step: Callable[[], object], objective: Callable[[], float]) -> np.ndarray:
        return descend(telling(step, objective), objective, self.max_iter, self.tol)

    def _reconstruction_error(self, X: np.ndarray, run: Run) -> float:
        return float(np.sqrt(2 * divergence(X, run.W, run.H, self._beta)))

    @property
    def _beta(self) -> float:
        return beta_of(getattr(self, "beta_loss", 2))

    def _check_parameters(self) -> None:
        """Check those parameters that all have; a subclass adds its own."""
        for name in ("n_components", "max_iter", "n_init"):
            check_count(name, getattr(self, name, 1))
        check_number("tol", self.tol, 0)
        beta_of(getattr(self, "beta_loss", 2))

    def _checked(self, X: ArrayLike, reset: bool) -> np.ndarray:
        try:
            data: Any = validate_data(
                self,
                X,
                reset=reset,
                accept_sparse="csr" if self._accepts_sparse else False,
                dtype=[np.float64, np.float32],
                order="C",
                ensure_all_finite="allow-nan" if self._allows_nan else True,
                allow_nd=self._any_order,
            )
        except (OverflowError, ValueError) as error:  # in the words that users of scikit-learn know
            raise NmfaudioError(str(error)) from None
        smallest = np.nanmin(data.data if issparse(data) else data, initial=0)
        if self._non_negative and smallest < 0:
            name = type(self).__name__
            raise NmfaudioError(
                f"Negative values in data passed to {name} (smallest: {smallest:g}); take magnitudes or shift it"
            )
        return data

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = self._non_negative
        tags.input_tags.sparse = self._accepts_sparse
        tags.input_tags.allow_nan = self._allows_nan
        tags.input_tags.pairwise = self._pairwise
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def level_of(X: Any, beta: float = 2.0) -> int:
    """Even power of two to divide X by: that of its largest value, or 0 where its powers have room without.

    They have from 2**-24 to 2**24 for a beta from 0 to 2; others take higher powers.
    """
    sparse = issparse(X)
    values = X.data if sparse else X
    largest = max(np.nanmax(values, initial=0), -np.nanmin(values, initial=0))
    exponent = int(np.frexp(largest)[1])
    return exponent - exponent % 2 if abs(exponent) > (24 if 0 <= beta <= 2 else 0) else 0


def scaled(X: Any, exponent: int) -> Any:
    """X times ``2**exponent``, X itself for 0."""
    if not exponent:
        return X
    sparse = issparse(X)
    if sparse:
        return type(X)((np.ldexp(X.data, exponent), X.indices, X.indptr), X.shape)
    return np.ldexp(X, exponent)


def generator(random_state: Any) -> np.random.RandomState:
    """Return scikit-learn's kind of generator for a seed."""
    try:
        return check_random_state(random_state)
    except (TypeError, ValueError):
        raise NmfaudioError(
            f"random_state must be an integer from 0 to 2**32 - 1 or a RandomState, not {shown(random_state)}"
        ) from None


def dense(X: Any) -> np.ndarray:
    """An array, whatever X is."""
    return X.toarray() if issparse(X) else np.asarray(X)
