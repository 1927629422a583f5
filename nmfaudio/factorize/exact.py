"""Exact factorisations with as many components as the rank, where they can be computed."""

import numpy as np
from numpy.typing import ArrayLike

from ..arguments import checked
from ..errors import NmfaudioError
from ..nmf.start import successive_projection
from .nmf import activations
from .symmetric import separable_start


@checked
def rank_factorization(X: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Non-negative rank factorisation, ``X = W @ H`` with as many components as X has rank.

    It exists always for rank 1 and 2, and for higher rank r if r rows of X span all others with non-negative weights,
    or r columns do: above all if X has a monomial submatrix of size r, that is one with a single positive entry in
    every row and column (Campbell and Poole 1981). Then the rows are found by successive projection. In other cases it
    may exist or not, and to decide it is hard (Vavasis 2009); these are refused.

    Parameters
    ----------
    X : array_like, shape (n_samples, n_features)
        Non-negative.

    Returns
    -------
    W, H : ndarray, shape (n_samples, r), (r, n_features)
        Non-negative, and rows of X as H or columns of X as W.

    Raises
    ------
    NmfaudioError
        If X is not a non-negative matrix, or no factorisation was found.

    References
    ----------
    S. Campbell, G. Poole, "Computing nonnegative rank factorizations", 1981.
    S. Vavasis, "On the complexity of nonnegative matrix factorization", 2009.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.factorize import rank_factorization
    >>> W, H = rank_factorization([[2, 0, 1], [1, 1, 1], [0, 2, 1]])
    >>> H
    array([[2., 0., 1.],
           [0., 2., 1.]])
    >>> W
    array([[1. , 0. ],
           [0.5, 0.5],
           [0. , 1. ]])
    """
    data = _checked(X)
    rank = int(np.linalg.matrix_rank(data))
    for matrix, flipped in ((data, False), (np.ascontiguousarray(data.T), True)):
        H = np.ascontiguousarray(matrix[np.sort(successive_projection(matrix, rank))])
        W = activations(matrix, H, 2, 0, 0, 1, 0)
        if _is_exact(matrix, W, H):
            return (np.ascontiguousarray(H.T), np.ascontiguousarray(W.T)) if flipped else (W, H)
    raise NmfaudioError(
        f"no non-negative factorisation of rank {rank} found: neither {rank} rows nor {rank} columns of X span the "
        "others with non-negative weights; NMF with more components may still be exact"
    )


@checked
def symmetric_rank_factorization(A: ArrayLike) -> np.ndarray:
    """Symmetric non-negative rank factorisation, ``A = W @ W.T`` with as many components as A has rank.

    Exists for any matrix that has a diagonal submatrix, of the same rows and columns, of A's rank; others are refused.

    Parameters
    ----------
    A : array_like, shape (n, n)
        Symmetric, non-negative.

    Returns
    -------
    ndarray, shape (n, r)

    Raises
    ------
    NmfaudioError
        If A is not a symmetric non-negative matrix, or has no such submatrix.

    References
    ----------
    V. Kalofolias, E. Gallopoulos, "Computing symmetric nonnegative rank factorizations", 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.factorize import symmetric_rank_factorization
    >>> W = symmetric_rank_factorization([[4, 0, 2], [0, 1, 3], [2, 3, 10]])
    >>> W
    array([[2., 0.],
           [0., 1.],
           [1., 3.]])
    """
    data = _checked(A)
    if data.shape[0] != data.shape[1] or not np.allclose(data, data.T, rtol=1e-9, atol=1e-12 * data.max()):
        raise NmfaudioError("A must be a symmetric matrix")
    rank = int(np.linalg.matrix_rank(data))
    W = separable_start(data, rank)
    if not _is_exact(data, W, W.T):
        raise NmfaudioError(f"A has no diagonal submatrix of its rank {rank}; SymmetricNMF finds an approximation")
    return W


def _checked(X: ArrayLike) -> np.ndarray:
    data = np.array(X, np.float64, order="C")
    if data.ndim != 2 or not data.size:
        raise NmfaudioError(f"a matrix is needed, not an array of shape {data.shape}")
    if not np.isfinite(data).all() or data.min() < 0:
        raise NmfaudioError("negative values, NaN or infinity in the matrix")
    if not data.any():
        raise NmfaudioError("a matrix of zeros has rank 0 and no components")
    return data


def _is_exact(X: np.ndarray, W: np.ndarray, H: np.ndarray) -> bool:
    return bool(np.abs(X - W @ H).max() <= 1e-9 * X.max())
