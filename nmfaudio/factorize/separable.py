"""Separable NMF: the components are samples."""

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, issparse
from sklearn.utils.extmath import row_norms

from ..arguments import shown
from ..errors import NmfaudioError
from ..nmf.beta_divergence import divergence
from ..nmf.start import successive_projection
from ._base import Factorizer, Run
from .nmf import activations


class SeparableNMF(Factorizer):
    """Separable NMF: components are samples, of which all others are mixtures.

    The samples are found without iterating, so there is no start to choose and no local minimum to end in. If X is
    separable, ``X = W X[J]`` with W >= 0, the result is exact; near to it, its error grows with the noise at most in
    proportion, if that is small (Gillis and Vavasis 2014). W is the non-negative least-squares fit.

    X has samples in rows: fit a spectrogram ``V.T`` to find frames in which a source is alone, ``V`` to find bins.

    Parameters
    ----------
    n_components : int
        At most the number of samples.
    refine : bool
        After successive projection, exchange every chosen sample for the one that is farthest from the span of the
        other chosen ones ("FastAnchorWords" of Arora et al. 2013), for data that is not quite separable.

    Attributes
    ----------
    anchors_ : ndarray of int, shape (n_components,)
        The samples chosen; ``components_ = X[anchors_]``.
    components_, n_components_, n_features_in_, reconstruction_err_
        See `nmfaudio.factorize._base.Factorizer`.
    objective_ : ndarray, shape (2,)
        ``norm(X - W H)**2 / 2`` for W = 0 and for the result.

    Notes
    -----
    Samples are compared at unit sum. X may be a scipy sparse matrix; it is never made dense.

    References
    ----------
    S. Arora, R. Ge, Y. Halpern, D. Mimno, A. Moitra, D. Sontag, Y. Wu, M. Zhu, "A practical algorithm for topic
    modeling with provable guarantees", 2013.
    N. Gillis, S. Vavasis, "Fast and robust recursive algorithms for separable nonnegative matrix factorization", 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.factorize import SeparableNMF
    >>> X = np.array([[1, 1, 0], [1, 2, 1], [0, 0, 3], [2, 2, 4], [0, 1, 1.0]])
    >>> SeparableNMF(3).fit(X).anchors_
    array([2, 0, 4])
    """

    _accepts_sparse = True
    _level_in = "H"
    max_iter, tol, random_state = 1, 0.0, None  # nothing is iterated, nothing left to chance

    def __init__(self, n_components: int = 10, *, refine: bool = False) -> None:
        self.n_components = n_components
        self.refine = refine

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if not isinstance(self.refine, bool | np.bool_):
            raise NmfaudioError(f"refine must be True or False, not {shown(self.refine)}")

    def _run(self, X: np.ndarray | csr_matrix, rng: np.random.RandomState) -> Run:
        if self.n_components > X.shape[0]:
            raise NmfaudioError(f"n_components={self.n_components}, but X has {X.shape[0]} samples to choose from")
        chosen = successive_projection(X, self.n_components)
        if self.refine:
            chosen = refined(X, chosen)
        H = dense_rows(X, chosen)
        W = activations(X, H, 2, 0, 0, self.max_iter, self.tol)
        objective = [divergence(X, 0 * W, H, 2), divergence(X, W, H, 2)]
        return Run(W, H, np.array(objective), {"anchors_": chosen})

    def _activations(self, X: np.ndarray | csr_matrix) -> np.ndarray:
        return activations(X, self.components_.astype(X.dtype), 2, 0, 0, self.max_iter, self.tol)


def refined(X: np.ndarray | csr_matrix, chosen: np.ndarray) -> np.ndarray:
    """Every chosen sample in turn exchanged for the farthest from the span of the others, at unit sum.

    Parameters
    ----------
    X : ndarray or csr_matrix, shape (n_samples, n_features)
    chosen : ndarray of int, shape (n_components,)

    Returns
    -------
    ndarray of int, shape (n_components,)
    """
    chosen = chosen.copy()
    sums = np.asarray(X.sum(axis=1), float).ravel()
    scale = 1 / np.where(sums > 0, sums, 1)
    squares = row_norms(X, squared=True) * scale**2
    for k in range(len(chosen)):
        others = np.delete(chosen, k)
        basis = np.linalg.qr((dense_rows(X, others) * scale[others, None]).T)[0]
        distances = squares - (((X @ basis) * scale[:, None]) ** 2).sum(axis=1)
        distances[others] = -1
        chosen[k] = int(np.argmax(distances))
    return chosen


def dense_rows(X: Any, chosen: np.ndarray) -> np.ndarray:
    """Some rows of a matrix, dense or sparse, as a dense one."""
    return np.ascontiguousarray(X[chosen].toarray() if issparse(X) else X[chosen])
