"""Symmetric NMF of similarities: clustering of what is only known by how alike it is."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_matrix, issparse
from sklearn.base import ClusterMixin

from ..arguments import check_choice
from ..errors import NmfaudioError
from ..kernels.nmf.symmetric import sweep_dense, sweep_sparse
from ..nmf.beta_divergence import divergence
from ..nmf.start import successive_projection
from ._base import Factorizer, Run
from .nmf import activations
from .separable import dense_rows


class SymmetricNMF(ClusterMixin, Factorizer):
    """Symmetric NMF: ``A`` is about ``W @ W.T`` with non-negative W.

    Minimises ``norm(A - W W')**2 / 4`` for a symmetric matrix of similarities, such as a recording's self-similarity. A
    row of W says to which clusters a sample belongs, and how strongly.

    Parameters
    ----------
    n_components : int
    init : str
        "random", or "separable": the columns of A for samples that are far apart, by `successive_projection`, scaled by
        the roots of their diagonal entries. It is the solution where A has a diagonal submatrix of size and rank
        n_components, in other words if each component has a sample that no other component has (Kalofolias and
        Gallopoulos 2012).
    n_init, max_iter, tol, random_state
        As for `NMF`.

    Attributes
    ----------
    labels_ : ndarray of int, shape (n_samples,)
        The strongest component of every sample.
    components_ : ndarray, shape (n_components, n_samples)
        W transposed.
    n_components_, n_features_in_, n_iter_, objective_, restarts_, reconstruction_err_
        See `nmfaudio.factorize._base.Factorizer`.

    Notes
    -----
    An iteration brings every entry of W to its minimum, the root of a cubic. A may be a scipy sparse matrix, such as a
    graph of nearest neighbours. `transform` takes the similarities of new samples to those of the fit.

    References
    ----------
    V. Kalofolias, E. Gallopoulos, "Computing symmetric nonnegative rank factorizations", 2012.
    D. Kuang, C. Ding, H. Park, "Symmetric nonnegative matrix factorization for graph clustering", 2012.
    A. Vandaele, N. Gillis, Q. Lei, K. Zhong, I. Dhillon, "Efficient and non-convex coordinate descent for symmetric
    nonnegative matrix factorization", 2016 (the method).

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.factorize import SymmetricNMF
    >>> A = np.kron(np.eye(2), np.ones((3, 3)))
    >>> labels = SymmetricNMF(2, random_state=0).fit(A).labels_
    >>> labels == labels[0]
    array([ True,  True,  True, False, False, False])
    """

    _accepts_sparse = True
    _pairwise = True

    def __init__(
        self,
        n_components: int = 8,
        *,
        init: str = "random",
        n_init: int = 1,
        max_iter: int = 300,
        tol: float = 1e-4,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_choice("init", self.init, ("random", "separable"))

    def _checked(self, X: ArrayLike, reset: bool) -> np.ndarray:
        X = super()._checked(X, reset)
        if reset:
            if X.shape[0] != X.shape[1]:
                raise NmfaudioError(f"SymmetricNMF needs similarities of shape (n, n), not {X.shape}")
            if abs(X - X.T).max() > 1e3 * np.finfo(X.dtype).eps * X.max():
                raise NmfaudioError("similarities must be symmetric; fit their mean (A + A.T) / 2")
        return X

    def _run(self, X: np.ndarray | csr_matrix, rng: np.random.RandomState) -> Run:
        if self.init == "separable":
            W = separable_start(X, self.n_components)
        else:
            level = np.sqrt(X.mean() / self.n_components)
            W = (level * np.abs(rng.standard_normal((X.shape[0], self.n_components)))).astype(X.dtype)
        A: Any = X

        def step() -> None:
            if issparse(A):
                sweep_sparse(A.data, A.indices, A.indptr, W, W.T @ W)
            else:
                sweep_dense(A, W, W.T @ W)

        trace = self._descend(step, lambda: 0.5 * divergence(X, W, W.T, 2))
        return Run(W, np.ascontiguousarray(W.T), trace, {"labels_": W.argmax(axis=1)})

    def _activations(self, X: np.ndarray | csr_matrix) -> np.ndarray:
        return activations(X, self.components_.astype(X.dtype), 2, 0, 0, self.max_iter, self.tol)


def separable_start(A: np.ndarray | csr_matrix, n_components: int) -> np.ndarray:
    """W with ``A = W W'`` where a diagonal submatrix of A has A's rank, else columns of A to start from.

    Parameters
    ----------
    A : ndarray or csr_matrix, shape (n, n)
    n_components : int

    Returns
    -------
    ndarray, shape (n, n_components)
    """
    if n_components > A.shape[0]:
        raise NmfaudioError(f"init 'separable' gives at most {A.shape[0]} components here, not {n_components}")
    chosen = np.sort(successive_projection(A, n_components))
    columns = dense_rows(A, chosen).T
    diagonal = columns[chosen, np.arange(n_components)]
    return np.ascontiguousarray(columns / np.sqrt(np.where(diagonal > 0, diagonal, 1)))
