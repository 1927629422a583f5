"""Non-negative PARAFAC: NMF of tensors."""

from functools import reduce

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import khatri_rao
from sklearn.utils.validation import check_is_fitted

from ..arguments import shown
from ..errors import NmfaudioError
from ..nmf.beta_divergence import Divergence
from ._base import Factorizer, Run, dense
from ._sweep import sweep
from .nmf import activations


class PARAFAC(Factorizer):
    """Non-negative PARAFAC: a tensor of any order as a sum of non-negative tensors of rank one.

    Minimises ``D_beta(X | L)``, ``L[i, j, ...] = sum_k A1[i, k] A2[j, k] ...``, over non-negative factors, one for each
    axis. For a matrix it is NMF. For the spectrograms of several channels, (channels, F, N), a component is a place in
    the stereo picture, a spectrum and a course in time; unlike NMF, the factors of a tensor are often unique.

    The first axis of X has the samples: for (channels, F, N) fit ``np.moveaxis(X, -1, 0)`` if frames are samples.

    Parameters
    ----------
    n_components : int
    beta_loss : float or str
        Divergence, as for `NMF`.
    init : "random" or sequence of array_like
        Start: halved normal numbers at X's level, or a factor (size, n_components) for each axis.
    n_init : int
        Number of runs from different starts; the best is kept. One in two may end far from the best.
    max_iter, tol, random_state
        As for `NMF`.

    Attributes
    ----------
    factors_ : list of ndarray, shape (size of axis, n_components)
        A1, A2, ...; columns have unit norm but in A1, the activations.
    components_ : ndarray, shape (n_components, ...)
        What every component is over the axes after the first: the outer product of its columns in A2, A3, ...
    n_components_, n_features_in_, n_iter_, objective_, restarts_, reconstruction_err_
        See `nmfaudio.factorize._base.Factorizer`; `n_features_in_` is the size of the second axis.

    Notes
    -----
    An iteration improves one factor after the other, each as in NMF of X unfolded along its axis: HALS for beta = 2,
    coordinate descent for beta = 1, multiplicative updates otherwise. X is kept once for every axis.

    References
    ----------
    R. Harshman, "Foundations of the PARAFAC procedure", 1970.
    A. Cichocki, A.-H. Phan, "Fast local algorithms for large scale nonnegative matrix and tensor factorizations", 2009.
    D. FitzGerald, M. Cranitch, E. Coyle, "Non-negative tensor factorisation for sound source separation", 2005.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.factorize import PARAFAC
    >>> rng = np.random.default_rng(0)
    >>> X = np.einsum("ik,jk,lk->ijl", rng.random((9, 2)), rng.random((8, 2)), rng.random((7, 2)))
    >>> model = PARAFAC(2, random_state=0).fit(X)
    >>> model.components_.shape, model.reconstruction_err_ < 0.01 * np.linalg.norm(X)
    ((2, 8, 7), np.True_)
    """

    _any_order = True
    _level_in = "W"

    def __init__(
        self,
        n_components: int = 10,
        *,
        beta_loss: float | str = "frobenius",
        init: str | tuple[ArrayLike, ...] = "random",
        n_init: int = 5,
        max_iter: int = 500,
        tol: float = 1e-4,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.beta_loss = beta_loss
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def inverse_transform(self, X: ArrayLike) -> np.ndarray:
        """Tensor that activations stand for.

        Parameters
        ----------
        X : {array_like, sparse matrix}, shape (n_samples, n_components)

        Returns
        -------
        ndarray, shape (n_samples, ...)
        """
        check_is_fitted(self)
        return np.tensordot(dense(X), self.components_, 1)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if isinstance(self.init, str) and self.init != "random":
            raise NmfaudioError(f"init must be 'random' or a factor for each axis, not {shown(self.init)}")

    def _checked(self, X: ArrayLike, reset: bool) -> np.ndarray:
        X = super()._checked(X, reset)
        if not reset and X.shape[1:] != self.components_.shape[1:]:
            expected = ", ".join(map(str, self.components_.shape[1:]))
            raise NmfaudioError(f"X must have shape (n_samples, {expected}), as in fit, not {X.shape}")
        return X

    def _run(self, X: np.ndarray, rng: np.random.RandomState) -> Run:
        factors = self._start(X, rng)
        data = [Divergence(_unfolded(X, axis), self._beta) for axis in range(X.ndim)]

        def step() -> None:
            for axis in reversed(range(X.ndim)):
                sweep(data[axis], factors[axis], _others(factors, axis))

        objective = self._descend(step, lambda: data[0].value(factors[0], _others(factors, 0)))
        for factor in factors[1:]:
            norms = np.linalg.norm(factor, axis=0)
            norms[norms == 0] = 1
            factor /= norms
            factors[0] *= norms
        H = np.ascontiguousarray(_others(factors, 0).T)
        return Run(factors[0], H, objective, {"factors_": factors, "components_": H.reshape(-1, *X.shape[1:])})

    def _start(self, X: np.ndarray, rng: np.random.RandomState) -> list[np.ndarray]:
        shapes = [(size, self.n_components) for size in X.shape]
        if isinstance(self.init, str):
            level = (X.mean() / self.n_components) ** (1 / X.ndim)
            return [(level * np.abs(rng.standard_normal(shape))).astype(X.dtype) for shape in shapes]
        try:
            factors = [np.array(factor, X.dtype, order="C") for factor in self.init]
        except (TypeError, ValueError):
            raise NmfaudioError(f"init must be 'random' or a factor for each axis, not {shown(self.init)}") from None
        if [factor.shape for factor in factors] != shapes:
            raise NmfaudioError(f"init must hold factors of shapes {shapes}, not {[f.shape for f in factors]}")
        if not all(np.isfinite(factor).all() and (factor >= 0).all() for factor in factors):
            raise NmfaudioError("a factor in init holds negative values, NaN or infinity")
        return factors

    def _activations(self, X: np.ndarray) -> np.ndarray:
        H = self.components_.reshape(len(self.components_), -1).astype(X.dtype)
        return activations(X.reshape(len(X), -1), H, self._beta, 0, 0, self.max_iter, self.tol)

    def _reconstruction_error(self, X: np.ndarray, run: Run) -> float:
        return super()._reconstruction_error(X.reshape(len(X), -1), run)


def _unfolded(X: np.ndarray, axis: int) -> np.ndarray:
    """X as a matrix whose rows run along one axis, and whose columns run over the others, the last the fastest."""
    return np.ascontiguousarray(np.moveaxis(X, axis, 0).reshape(X.shape[axis], -1))


def _others(factors: list[np.ndarray], axis: int) -> np.ndarray:
    """Column by column the outer product of the factors of the other axes, in the order of `_unfolded`."""
    return np.ascontiguousarray(reduce(khatri_rao, factors[:axis] + factors[axis + 1 :]))
