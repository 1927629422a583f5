"""Coordinate descent for symmetric factorisation, one row at a time.

A. Vandaele, N. Gillis, Q. Lei, K. Zhong, I. Dhillon, "Efficient and non-convex coordinate descent for symmetric
nonnegative matrix factorization", 2016. With the other rows fixed, a row w of W meets

    f(w) = (a - w w')^2 / 4 + w G w' / 2 - c w',   a = A[i, i],  G = sum_j w_j' w_j,  c = sum_j A[i, j] w_j,  j != i

so that an entry of it meets a polynomial of degree four, whose minimum over non-negative numbers is a root of a cubic.
"""

import numpy as np

from .._jit import jit


@jit
def sweep_dense(A: np.ndarray, W: np.ndarray, G: np.ndarray) -> None:
    """Bring every entry of W once to the minimum of ``norm(A - W W') ** 2 / 4`` over ``W >= 0``.

    Parameters
    ----------
    A : ndarray, shape (n, n)
        Symmetric.
    W : ndarray, shape (n, K)
        Changed in place.
    G : ndarray, shape (K, K)
        ``W' W``, kept up to date.
    """
    c = np.empty(W.shape[1], W.dtype)
    for i in range(len(W)):
        c[:] = 0
        for j in range(len(W)):
            if j != i:
                for k in range(W.shape[1]):
                    c[k] += A[i, j] * W[j, k]
        _sweep_row(A[i, i], c, W[i], G)


@jit
def sweep_sparse(data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, W: np.ndarray, G: np.ndarray) -> None:
    """`sweep_dense` for A in compressed rows."""
    c = np.empty(W.shape[1], W.dtype)
    for i in range(len(W)):
        c[:] = 0
        a = W.dtype.type(0)
        for p in range(indptr[i], indptr[i + 1]):
            if indices[p] == i:
                a += data[p]
            else:
                for k in range(W.shape[1]):
                    c[k] += data[p] * W[indices[p], k]
        _sweep_row(a, c, W[i], G)


@jit
def _sweep_row(a, c, w, G):
    n_atoms, square = len(w), w.dtype.type(0)
    for k in range(n_atoms):
        square += w[k] * w[k]
        for j in range(n_atoms):
            G[k, j] -= w[k] * w[j]
    for k in range(n_atoms):
        rest = square - w[k] * w[k]
        linear = -c[k]
        for j in range(n_atoms):
            if j != k:
                linear += G[k, j] * w[j]
        x = _least(G[k, k] + rest - a, linear)
        square = rest + x * x
        w[k] = x
    for k in range(n_atoms):
        for j in range(n_atoms):
            G[k, j] += w[k] * w[j]


@jit
def _least(p, q):
    """The x >= 0 at which ``x^4 / 4 + p x^2 / 2 + q x`` is least, by Cardano's formula for x^3 + p x + q."""
    kind = q  # of the array's type
    p, q = np.float64(p), np.float64(q)
    discriminant = (q / 2) ** 2 + (p / 3) ** 3
    if discriminant >= 0:
        u = np.cbrt(abs(q) / 2 + np.sqrt(discriminant))  # the larger of the two summands, without cancellation
        x = (u - p / (3 * u)) if u > 0 else 0.0
        if q > 0:
            x = -x
    else:
        x = 2 * np.sqrt(-p / 3) * np.cos(np.arccos(min(max(-q / 2 / np.sqrt((-p / 3) ** 3), -1.0), 1.0)) / 3)
    value = x * (q + x * (p / 2 + x * x / 4))
    return kind * 0 + x if x > 0 and value < 0 else kind * 0
