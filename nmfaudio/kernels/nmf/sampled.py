"""A product of two matrices where a sparse matrix has entries."""

import numpy as np

from .._jit import jit


@jit
def sampled_product(W: np.ndarray, T: np.ndarray, indptr: np.ndarray, indices: np.ndarray, out: np.ndarray) -> None:
    """Entries of ``W @ T.T`` at the places of a sparse matrix in compressed rows.

    Parameters
    ----------
    W, T : ndarray, shape (n_samples, K), (n_features, K)
    indptr, indices : ndarray, shape (n_samples + 1,), (nnz,)
    out : ndarray, shape (nnz,)
        Output.
    """
    for i in range(W.shape[0]):
        for j in range(indptr[i], indptr[i + 1]):
            total = W.dtype.type(0)
            for k in range(W.shape[1]):
                total += W[i, k] * T[indices[j], k]
            out[j] = total
