"""Coordinate descent for quadratic problems with non-negative solutions, a block of columns at a time."""

import numpy as np

from .._jit import jit

_ROWS = 64


@jit
def coordinate_sweep(G: np.ndarray, D: np.ndarray, X: np.ndarray) -> None:
    """Minimise ``x' G x / 2 - c' x`` over ``x >= 0`` in one entry after the other, for every row x of X, once.

    A. Cichocki, A.-H. Phan, "Fast local algorithms for large scale nonnegative matrix and tensor factorizations", 2009.

    Parameters
    ----------
    G : ndarray, shape (K, K)
    D : ndarray, shape (n, K)
        Negative gradient ``c - G x`` at the given X.
    X : ndarray, shape (n, K)
        Changed in place. An entry with ``G[k, k] = 0`` stays.
    """
    n_rows, n_atoms = D.shape
    zero = X.dtype.type(0)
    x, d = np.zeros((n_atoms, _ROWS), X.dtype), np.zeros((n_atoms, _ROWS), X.dtype)
    change = np.empty(_ROWS, X.dtype)
    for start in range(0, n_rows, _ROWS):  # some rows at a time, turned so that they are what the inner loops run over
        size = min(_ROWS, n_rows - start)
        for i in range(size):
            for k in range(n_atoms):
                x[k, i] = X[start + i, k]
                d[k, i] = D[start + i, k]
        for k in range(n_atoms):
            if not G[k, k] > zero:
                continue
            scale = X.dtype.type(1) / G[k, k]
            for i in range(_ROWS):
                change[i] = max(d[k, i] * scale, -x[k, i])
                x[k, i] += change[i]
            for j in range(k + 1, n_atoms):
                g = G[k, j]
                for i in range(_ROWS):
                    d[j, i] -= change[i] * g
        for i in range(size):
            for k in range(n_atoms):
                X[start + i, k] = x[k, i]
