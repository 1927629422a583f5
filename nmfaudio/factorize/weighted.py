"""NMF of data with missing entries, or whose entries are known with unequal certainty."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from ..arguments import check_number
from ..errors import NmfaudioError
from ..nmf.beta_divergence import Divergence, dot
from ..nmf.start import Init, initialise
from ._base import Factorizer, Run, level_of, scaled
from ._sweep import sweep


class WeightedNMF(Factorizer):
    """NMF in which every entry of X has a weight; NaN, or weight 0, marks a missing one.

    Minimises ``sum(weights * d_beta(X | W H)) + alpha / 2 (n_features sum(W ** 2) + n_samples sum(H ** 2))`` over
    non-negative W and H, with d_2 half the squared difference. With beta = 2, alpha = 0 and reciprocal variances of X
    as weights this is the likeliest factorisation under Gaussian noise.

    X has samples in rows: for a spectrogram V (F, N) fit ``V.T``, with ``weights.T``.

    Parameters
    ----------
    n_components : int
    alpha : float
        Weight of the penalty. It matters for prediction: without it, what only a few entries tell of a component may
        become large, and with it whatever the model says of missing entries beside them.
    beta_loss : float or str
        Divergence, as for `NMF`.
    init : str, pair of array_like, or None
        Start, see `nmfaudio.nmf.start.initialise`, from X with missing entries replaced by the mean of their
        feature; None is "random" for several runs.
    n_init, max_iter, tol, random_state
        As for `NMF`.

    Attributes
    ----------
    components_, n_components_, n_features_in_, n_iter_, objective_, restarts_
        See `nmfaudio.factorize._base.Factorizer`.
    reconstruction_err_ : float
        Root of twice the weighted divergence, without penalty.

    Notes
    -----
    An iteration is a weighted sweep of HALS through H and W for beta = 2, where the papers have multiplicative updates,
    and a multiplicative update of each otherwise. A sample without entries has activations of zero.

    References
    ----------
    M. Blanton, S. Roweis, "K-corrections and filter transformations in the ultraviolet, optical, and near-infrared",
    2007 (weights of unequal certainty).
    G. Zhu, "Nonnegative matrix factorization (NMF) with heteroscedastic uncertainties and missing data", 2016,
    arXiv:1612.06037.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.factorize import WeightedNMF
    >>> rng = np.random.default_rng(0)
    >>> X = rng.random((30, 2)) @ rng.random((2, 12))
    >>> holes = X.copy()
    >>> holes[rng.random(X.shape) < 0.2] = np.nan
    >>> model = WeightedNMF(2, tol=1e-5, random_state=0).fit(holes)
    >>> np.abs(model.impute(holes) - X).max() < 0.01
    np.True_
    """

    _allows_nan = True

    def __init__(
        self,
        n_components: int = 10,
        *,
        alpha: float = 0.0,
        beta_loss: float | str = "frobenius",
        init: Init = None,
        n_init: int = 1,
        max_iter: int = 500,
        tol: float = 1e-4,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.alpha = alpha
        self.beta_loss = beta_loss
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: None = None, weights: ArrayLike | None = None) -> "WeightedNMF":
        """Factorise X; parameters as `fit_transform`.

        Returns
        -------
        self
        """
        self.fit_transform(X, y, weights)
        return self

    def fit_transform(self, X: ArrayLike, y: None = None, weights: ArrayLike | None = None) -> np.ndarray:
        """Factorise X and return its activations.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            NaN where an entry is missing.
        y : None
            Ignored.
        weights : array_like, shape (n_samples, n_features), optional
            How much every entry counts: 0 or False for not at all.

        Returns
        -------
        W : ndarray, shape (n_samples, n_components)
        """
        return self._fit(X, weights=weights)

    def transform(self, X: ArrayLike, weights: ArrayLike | None = None) -> np.ndarray:
        """Activations of X for the fitted components; parameters as `fit_transform`."""
        check_is_fitted(self)
        return self._transformed(self._checked(X, reset=False), weights=weights)

    def impute(self, X: ArrayLike, weights: ArrayLike | None = None) -> np.ndarray:
        """X with its missing entries, NaN or of weight 0, replaced by the model; parameters as `fit_transform`."""
        check_is_fitted(self)
        data = self._checked(X, reset=False)
        model = self.inverse_transform(self._transformed(data, weights=weights))
        return np.where(masked(data, weights)[1] > 0, data, model)

    def hidden_error(self, X: ArrayLike, hidden: ArrayLike) -> float:
        """Relative error of the model at entries that are hidden from it; 0 is best.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
        hidden : array_like of bool, shape (n_samples, n_features)
            Entries to predict from the others; they should have had weight 0 in `fit` too.

        Returns
        -------
        float
            Norm of the difference to the model over the norm of X, both over the hidden entries that X has.
        """
        check_is_fitted(self)
        data, unseen = self._checked(X, reset=False), np.asarray(hidden, bool)
        model = self.inverse_transform(self._transformed(data, weights=~unseen))
        truth, counts = masked(data, unseen)
        exponent = level_of(data)  # the square of 1e160 is no number
        error, truth = scaled(counts * (truth - model), -exponent), scaled(truth, -exponent)
        return float(np.sqrt(dot(error, error) / max(dot(truth, truth), np.finfo(float).tiny)))

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number("alpha", self.alpha, 0)

    def _run(self, X: np.ndarray, rng: np.random.RandomState, weights: ArrayLike | None = None) -> Run:
        data, certainty = masked(X, weights)
        init = "random" if self.init is None and self.n_init > 1 else self.init
        W, H = initialise(_filled(data, certainty), self.n_components, init, rng)
        T = np.ascontiguousarray(H.T)
        rows = Divergence(data, self._beta, certainty)
        columns = rows.transposed()
        l2_W, l2_H = self._weight(self.alpha, 2) * X.shape[1], self._weight(self.alpha, 0, 2) * X.shape[0]

        def step() -> None:
            sweep(columns, T, W, l2_H)
            sweep(rows, W, T, l2_W)

        objective = self._descend(step, lambda: rows.value(W, T) + l2_W / 2 * dot(W, W) + l2_H / 2 * dot(T, T))
        W[~certainty.any(axis=1)] = 0
        error = float(np.sqrt(2 * rows.value(W, T)))
        return Run(W, np.ascontiguousarray(T.T), objective, {"reconstruction_err_": error})

    def _activations(self, X: np.ndarray, weights: ArrayLike | None = None) -> np.ndarray:
        data, certainty = masked(X, weights)
        rows, T = Divergence(data, self._beta, certainty), np.ascontiguousarray(self.components_.T, X.dtype)
        seen = np.maximum(certainty @ T.sum(axis=1), np.finfo(X.dtype).tiny)
        totals = data.sum(axis=1, keepdims=True) / seen[:, None]
        W, l2 = np.repeat(totals, T.shape[1], axis=1), self._weight(self.alpha, 2) * X.shape[1]
        self._descend(lambda: sweep(rows, W, T, l2), lambda: rows.value(W, T) + l2 / 2 * dot(W, W))
        return W

    def _reconstruction_error(self, X: np.ndarray, run: Run) -> float:
        return run.extra["reconstruction_err_"]


def masked(X: np.ndarray, weights: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    """X with 0 for missing entries, and the weights, of X's dtype, with 0 there.

    Parameters
    ----------
    X : ndarray, shape (n_samples, n_features)
        NaN where an entry is missing.
    weights : array_like, shape (n_samples, n_features), or None

    Returns
    -------
    X, weights : ndarray, shape (n_samples, n_features)
    """
    certainty = np.ones_like(X) if weights is None else np.array(weights, X.dtype)
    if certainty.shape != X.shape:
        raise NmfaudioError(f"weights must have X's shape {X.shape}, not {certainty.shape}")
    if not (np.isfinite(certainty).all() and (certainty >= 0).all()):
        raise NmfaudioError("weights holds negative values, NaN or infinity; 0 marks a missing entry")
    certainty[np.isnan(X)] = 0
    return np.where(certainty > 0, X, X.dtype.type(0)), certainty


def _filled(X: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """X with the weighted mean of the feature in the place of missing entries."""
    totals = weights.sum(axis=0)
    means = (weights * X).sum(axis=0) / np.maximum(totals, np.finfo(X.dtype).tiny)
    return np.where(weights > 0, X, means)
