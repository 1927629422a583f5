"""Coordinate descent for the Kullback-Leibler divergence, with second derivatives, one row at a time.

C.-J. Hsieh, I. Dhillon, "Fast coordinate descent methods with variable selection for non-negative matrix
factorization", 2011 (here cyclic). With w one entry of a row, a the matching row of H and l the model, the
derivative ``sum(a) - sum(a x / l)`` is a concave, rising function of w. So a Newton step d upwards never passes the
minimum, and the objective falls. A step downwards may pass it; then the longer of two shorter steps is taken: to the
zero of the secant, which never does, and t = 2 d / (1 + 2 u + sqrt(1 + 4 u)), u = d / w, after which the objective is
lower by t / 2 times the derivative at least, since the curvature there is at most (1 - t / w)^-2 times that before.
"""

import numpy as np

from .._jit import jit


@jit
def sweep_dense(X: np.ndarray, H: np.ndarray, W: np.ndarray, L: np.ndarray, l1: float, l2: float, eps: float) -> None:
    """Improve every entry of W once for ``D(X | W H) + l1 sum(W) + l2 sum(W ** 2) / 2``.

    Parameters
    ----------
    X : ndarray, shape (n, m)
    H : ndarray, shape (K, m)
    W : ndarray, shape (n, K)
        Changed in place.
    L : ndarray, shape (n, m)
        ``W @ H + eps``, kept up to date.
    l1, l2 : float
    eps : float
        Smallest value of the model.
    """
    sums = _row_sums(H)
    for i in range(len(X)):
        _sweep_row(X[i], H, W[i], L[i], sums, X.dtype.type(l1), X.dtype.type(l2), X.dtype.type(eps))


@jit
def sweep_sparse(
    data: np.ndarray,
    indices: np.ndarray,
    indptr: np.ndarray,
    H: np.ndarray,
    W: np.ndarray,
    l1: float,
    l2: float,
    eps: float,
) -> None:
    """`sweep_dense` for X in compressed rows; the model is made where X has entries, row by row."""
    n_atoms, kind = len(H), data.dtype.type
    sums = _row_sums(H)
    longest = 0
    for i in range(len(W)):
        longest = max(longest, indptr[i + 1] - indptr[i])
    atoms, model = np.empty((n_atoms, longest), H.dtype), np.empty(longest, H.dtype)
    for i in range(len(W)):
        start, size = indptr[i], indptr[i + 1] - indptr[i]
        for j in range(size):
            model[j] = kind(eps)
            for k in range(n_atoms):
                atoms[k, j] = H[k, indices[start + j]]
                model[j] += W[i, k] * atoms[k, j]
        x = data[start : start + size]
        _sweep_row(x, atoms[:, :size], W[i], model[:size], sums, kind(l1), kind(l2), kind(eps))


@jit
def _row_sums(H):
    sums = np.zeros(len(H), H.dtype)
    for k in range(len(H)):
        for j in range(H.shape[1]):
            sums[k] += H[k, j]
    return sums


@jit
def _sweep_row(x, H, w, l, sums, l1, l2, eps):  # noqa: E741
    zero = x.dtype.type(0)
    for k in range(len(w)):
        a, first, second = H[k], zero, zero
        for j in range(len(x)):
            u = a[j] / l[j]
            v = x[j] * u
            first += v
            second += v * u
        slope, curvature = sums[k] + l1 + l2 * w[k] - first, second + l2
        if slope < zero:
            step = -slope / curvature
        elif slope > zero and w[k] > zero:
            step = -w[k] if curvature * w[k] <= slope else -slope / curvature
            first = zero
            for j in range(len(x)):
                first += a[j] * x[j] / max(l[j] + step * a[j], eps)
            there = sums[k] + l1 + l2 * (w[k] + step) - first
            if there < zero:
                u = slope / (curvature * w[k])
                t = 2 * u / (1 + 2 * u + np.sqrt(1 + 4 * u)) * w[k]
                step = min(step * slope / (slope - there), -t)
        else:
            continue
        w[k] = max(w[k] + step, zero)
        for j in range(len(x)):
            l[j] = max(l[j] + step * a[j], eps)
