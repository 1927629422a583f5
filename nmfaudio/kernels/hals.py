"""Coordinate descent for quadratic problems with non-negative solutions, a block of columns at a time."""

import numpy as np

from ._jit import jit


@jit
def coordinate_sweep(G: np.ndarray, D: np.ndarray, X: np.ndarray) -> None:
    """Minimise ``x' G x / 2 - c' x`` over ``x >= 0`` in one entry after the other, for every row x of X, once.

    A. Cichocki, A.-H. Phan, "Fast local algorithms for large scale nonnegative matrix and tensor factorizations", 2009.

    Parameters
    ----------
    G : ndarray, shape (K, K)
    D : ndarray, shape (n, K)
        Negative gradient ``c - G x`` at the given X; overwritten.
    X : ndarray, shape (n, K)
        Changed in place. An entry with ``G[k, k] = 0`` stays.
    """
    zero = X.dtype.type(0)
    for i in range(X.shape[0]):
        for k in range(len(G)):
            if G[k, k] > zero:
                change = max(D[i, k] / G[k, k], -X[i, k])
                if change != zero:
                    X[i, k] += change
                    for j in range(k + 1, len(G)):
                        D[i, j] -= change * G[k, j]
