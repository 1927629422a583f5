"""NMF with orthogonal activations: each sample belongs to one component, so that it is a clustering."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_matrix
from sklearn.base import ClusterMixin
from sklearn.utils.extmath import row_norms

from ..nmf.beta_divergence import dot
from ..nmf.start import Init, initialise
from ._base import Factorizer, Run


class OrthogonalNMF(ClusterMixin, Factorizer):
    """NMF with ``W' W = I``: samples are clustered by the direction of their features.

    Minimises ``norm(X - W H)**2 / 2`` over non-negative W and H with ``W' W = I``. Non-negative columns are orthogonal
    only if no two of them meet in a sample, so every sample is described by one component alone: its cluster. It is
    k-means but for a scale that each sample has of its own: with the same scale for all samples of a cluster, the
    objective is that of k-means (Ding, He and Simon 2005).

    X has samples in rows: for a spectrogram V (F, N) fit ``V.T``, which clusters frames; fit ``V`` to cluster bins, so
    that no two components meet in frequency.

    Parameters
    ----------
    n_components : int
        Number of clusters.
    init : str, pair of array_like, or None
        Start, see `nmfaudio.nmf.start.initialise`, of which H is used; None: samples at random if there are
        enough, else "random".
    n_init, max_iter, tol, random_state
        As for `NMF`.

    Attributes
    ----------
    labels_ : ndarray of int, shape (n_samples,)
        Cluster of every sample.
    components_, n_components_, n_features_in_, n_iter_, objective_, restarts_, reconstruction_err_
        See `nmfaudio.factorize._base.Factorizer`.

    Notes
    -----
    An iteration gives every sample to the component that it points to most, then takes one step of the power method
    towards each cluster's leading singular vector, which is its best component. Neither raises the objective. A
    component that no sample points to takes the one that is described worst.

    References
    ----------
    C. Ding, X. He, H. Simon, "On the equivalence of nonnegative matrix factorization and spectral clustering", 2005.
    C. Ding, T. Li, W. Peng, H. Park, "Orthogonal nonnegative matrix tri-factorizations for clustering", 2006 (the
    problem).
    F. Pompili, N. Gillis, P.-A. Absil, F. Glineur, "Two algorithms for orthogonal nonnegative matrix factorization with
    application to clustering", 2014 (the method, EM-ONMF).

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.factorize import OrthogonalNMF
    >>> X = np.array([[1, 1, 0], [2, 2, 0], [0, 0, 3], [3, 3, 0.0]])
    >>> model = OrthogonalNMF(2, random_state=0).fit(X)
    >>> model.labels_ == model.labels_[0]
    array([ True,  True, False,  True])
    """

    _accepts_sparse = True
    _level_in = "H"

    def __init__(
        self,
        n_components: int = 8,
        *,
        init: Init = None,
        n_init: int = 10,
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

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Cluster of every sample.

        Parameters
        ----------
        X : {array_like, sparse matrix}, shape (n_samples, n_features)

        Returns
        -------
        ndarray of int, shape (n_samples,)
        """
        return self.transform(X).argmax(axis=1)

    def _run(self, X: np.ndarray | csr_matrix, rng: np.random.RandomState) -> Run:
        init = self.init
        if init is None:
            init = "exemplars" if self.n_components <= X.shape[0] else "random"
        U = _unit(initialise(X, self.n_components, init, rng)[1])
        squares = row_norms(X, squared=True)
        rows = np.arange(X.shape[0])
        P = X @ U.T
        labels = P.argmax(axis=1)

        def step() -> None:
            nonlocal U, P, labels
            A = np.zeros_like(P)
            A[rows, labels] = P[rows, labels]
            left = squares - A[rows, labels] ** 2
            for k in np.flatnonzero(~A.any(axis=0)):
                worst = int(np.argmax(left))
                A[worst] = 0
                A[worst, k], left[worst] = 1, 0
            U = _unit((X.T @ A).T)
            P = X @ U.T
            labels = P.argmax(axis=1)

        total = float(squares.sum(dtype=np.float64))
        objective = self._descend(step, lambda: max(0.5 * (total - dot(P[rows, labels], P[rows, labels])), 0.0))
        W = np.zeros_like(P)
        W[rows, labels] = P[rows, labels]
        norms = np.linalg.norm(W, axis=0)
        norms[norms == 0] = 1
        return Run(W / norms, U * norms[:, None], objective, {"labels_": labels})

    def _activations(self, X: np.ndarray | csr_matrix) -> np.ndarray:
        H = self.components_.astype(X.dtype)
        norms = np.linalg.norm(H, axis=1)
        norms[norms == 0] = 1
        P = X @ (H / norms[:, None]).T
        W = np.where(P.argmax(axis=1)[:, None] == np.arange(len(H)), P / norms, 0)
        return W.astype(X.dtype)


def _unit(H: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(H, axis=1, keepdims=True)
    return H / np.where(norms > 0, norms, 1)
