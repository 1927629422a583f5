"""Coordinate descent for least squares in which every entry has a weight of its own, one row at a time."""

import numpy as np

from .._jit import jit


@jit
def weighted_sweep(X: np.ndarray, weights: np.ndarray, H: np.ndarray, W: np.ndarray, l2: float) -> None:
    """Bring every entry of W once to the minimum of ``sum(weights (X - W H)**2) / 2 + l2 sum(W**2) / 2``, ``W >= 0``.

    HALS (A. Cichocki, A.-H. Phan, "Fast local algorithms for large scale nonnegative matrix and tensor factorizations",
    2009) with a weighted sum in the place of every product of rows.

    Parameters
    ----------
    X, weights : ndarray, shape (n, m)
    H : ndarray, shape (K, m)
    W : ndarray, shape (n, K)
        Changed in place. Without a penalty, an entry on which no weighted entry of X depends stays.
    l2 : float
    """
    penalty, zero = X.dtype.type(l2), X.dtype.type(0)
    residual = np.empty(X.shape[1], X.dtype)
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            residual[j] = X[i, j]
        for k in range(H.shape[0]):
            for j in range(X.shape[1]):
                residual[j] -= W[i, k] * H[k, j]
        for k in range(H.shape[0]):
            slope, curvature = -penalty * W[i, k], penalty
            for j in range(X.shape[1]):
                weighted = weights[i, j] * H[k, j]
                slope += weighted * residual[j]
                curvature += weighted * H[k, j]
            if curvature > zero:
                change = max(slope / curvature, -W[i, k])
                W[i, k] += change
                for j in range(X.shape[1]):
                    residual[j] -= change * H[k, j]
