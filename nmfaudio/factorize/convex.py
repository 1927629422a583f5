"""Semi-NMF, whose components have any sign, and convex NMF, whose components are mixtures of the samples."""

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.utils.extmath import safe_sparse_dot

from ..errors import NmfaudioError
from ..nmf.beta_divergence import Divergence, dot
from ..nmf.start import initialise
from ._base import Factorizer, Run
from .nmf import activations
from .solvers import block_pivoting, coordinate_descent


class SemiNMF(Factorizer):
    """Semi-NMF: ``X`` is about ``W @ H`` with non-negative W; X and H may have any sign.

    Minimises ``norm(X - W H)**2 / 2``. It is a soft k-means, the rows of H its centres, and serves data that has no
    natural zero, such as levels in dB or features from which the mean was taken.

    X has samples in rows: for levels L (F, N) fit ``L.T``.

    Parameters
    ----------
    n_components : int
    n_init, max_iter, tol
        As for `NMF`.
    random_state : int, RandomState or None
        Seed of the starts, which are clusters of k-means: their memberships, with 0.2 added.

    Attributes
    ----------
    components_, n_components_, n_features_in_, n_iter_, objective_, restarts_, reconstruction_err_
        See `nmfaudio.factorize._base.Factorizer`.

    Notes
    -----
    An iteration is the least-squares H, as in the paper, and then the least-squares W, where the paper has a
    multiplicative update. X may be a scipy sparse matrix.

    References
    ----------
    C. Ding, T. Li, M. Jordan, "Convex and semi-nonnegative matrix factorizations", 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.factorize import SemiNMF
    >>> rng = np.random.default_rng(0)
    >>> X = rng.random((30, 2)) @ rng.standard_normal((2, 8))
    >>> model = SemiNMF(2, tol=1e-9, random_state=0).fit(X)
    >>> model.reconstruction_err_ < 0.01 and model.components_.min() < 0
    np.True_
    """

    _accepts_sparse = True
    _level_in = "H"
    _non_negative = False

    def __init__(
        self,
        n_components: int = 10,
        *,
        n_init: int = 1,
        max_iter: int = 500,
        tol: float = 1e-4,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def _run(self, X: np.ndarray | csr_matrix, rng: np.random.RandomState) -> Run:
        W = self._start(X, rng)
        H, data = _least_squares(X, W), Divergence(X, 2)
        C, G = X @ H.T, H @ H.T

        def step() -> None:
            nonlocal H, C, G
            H = _least_squares(X, W)
            C, G = X @ H.T, H @ H.T
            block_pivoting(G, C, 0.0, W)

        trace = self._descend(step, lambda: data.quadratic(W, H.T, C, G))
        return Run(W, H, trace)

    def _start(self, X: np.ndarray | csr_matrix, rng: np.random.RandomState) -> np.ndarray:
        if self.n_components > X.shape[0]:
            raise NmfaudioError(f"n_components={self.n_components}, but X has {X.shape[0]} samples to start from")
        return initialise(X, self.n_components, "kmeans", rng)[0]

    def _activations(self, X: np.ndarray | csr_matrix) -> np.ndarray:
        return activations(X, self.components_.astype(X.dtype), 2, 0, 0, self.max_iter, self.tol)


class ConvexNMF(SemiNMF):
    """Convex NMF: components are non-negative mixtures of samples, ``X`` is about ``W @ (A @ X)``.

    Minimises ``norm(X - W A X)**2 / 2`` over non-negative W and A. Components stay in the cone of the data, close to
    the centres of its clusters, and A tells which samples they are made of. X may have any sign.

    X has samples in rows: for a spectrogram V (F, N) fit ``V.T``.

    Parameters
    ----------
    n_components, n_init, max_iter, tol, random_state
        As for `SemiNMF`.

    Attributes
    ----------
    mixing_ : ndarray, shape (n_components, n_samples)
        A; ``components_ = mixing_ @ X``.
    components_, n_components_, n_features_in_, n_iter_, objective_, restarts_, reconstruction_err_
        See `nmfaudio.factorize._base.Factorizer`.

    Notes
    -----
    An iteration is a sweep of HALS through A, and then the least-squares W, where the paper has multiplicative updates.
    It needs the inner products of all samples, ``X X'``, of shape (n_samples, n_samples). X may be
    a scipy sparse matrix.

    References
    ----------
    C. Ding, T. Li, M. Jordan, "Convex and semi-nonnegative matrix factorizations", 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.factorize import ConvexNMF
    >>> X = np.array([[1, 0], [2, 0.1], [0, 1], [0.2, 3]])
    >>> model = ConvexNMF(2, tol=1e-3, random_state=0).fit(X)
    >>> np.abs(model.mixing_ @ X - model.components_).max() < 1e-12
    np.True_
    """

    def _run(self, X: np.ndarray | csr_matrix, rng: np.random.RandomState) -> Run:
        W = self._start(X, rng)
        A = np.ascontiguousarray(W.T / W.sum(axis=0)[:, None])
        K = safe_sparse_dot(X, X.T, dense_output=True)
        C, square = K @ A.T, float(np.trace(K, dtype=np.float64))
        block_pivoting(A @ C, C, 0.0, W)

        def step() -> None:
            G, WK = W.T @ W, W.T @ K
            for k in np.flatnonzero(np.diag(G)):
                wanted = (WK[k] - G[k] @ C.T) / G[k, k] + C[:, k]
                coordinate_descent(K, wanted[None], 0.0, A[k : k + 1])
                C[:, k] = K @ A[k]
            block_pivoting(A @ C, C, 0.0, W)

        trace = self._descend(step, lambda: max(0.5 * square - dot(C, W) + 0.5 * dot(A @ C, W.T @ W), 0.0))
        return Run(W, np.asarray(A @ X), trace, {"mixing_": A})


def _least_squares(X: np.ndarray | csr_matrix, W: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray((X.T @ (W @ np.linalg.pinv(W.T @ W, hermitian=True))).T)
