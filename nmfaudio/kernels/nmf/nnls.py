"""Exact non-negative least squares on the normal equations, one row at a time.

For every row c of C: minimise ``x' G x / 2 - c' x`` over ``x >= 0``, with G (K, K) symmetric and positive semidefinite.
With y = G x - c the solution has x >= 0, y >= 0 and x y = 0 in every entry; both kernels look for the passive set, the
entries where x may be positive, starting from the positive entries of the X they are given.
"""

import numpy as np

from .._jit import jit


@jit
def block_pivoting(G: np.ndarray, C: np.ndarray, X: np.ndarray) -> None:
    """Block principal pivoting: all entries that violate a sign change sides at once.

    J. Kim, H. Park, "Fast nonnegative matrix factorization: an active-set-like method and comparisons", 2011. If their
    number has not fallen three times, only the last one changes sides (Murty's rule); should the search go on for too
    long, as it may where G is singular, `active_set_row` finishes it.

    Parameters
    ----------
    G : ndarray, shape (K, K), float64
    C : ndarray, shape (n, K)
    X : ndarray, shape (n, K)
        Start, and output.
    """
    n_atoms = len(G)
    L, x, c = np.empty((n_atoms, n_atoms)), np.empty(n_atoms), np.empty(n_atoms)
    passive, wrong = np.empty(n_atoms, np.bool_), np.empty(n_atoms, np.bool_)
    rounding = 10 * n_atoms * np.finfo(C.dtype).eps
    for i in range(len(X)):
        for k in range(n_atoms):
            c[k] = C[i, k]
            passive[k] = X[i, k] > 0
        tol = rounding * np.abs(c).max()
        fewest, patience, found = n_atoms + 1, 3, False
        for _ in range(5 * n_atoms + 10):
            _solve(G, c, passive, L, x, rounding)
            n_wrong, last = 0, -1
            for k in range(n_atoms):
                if passive[k]:
                    wrong[k] = x[k] < 0
                else:
                    y = -c[k]
                    for j in range(n_atoms):
                        y += G[k, j] * x[j]
                    wrong[k] = y < -tol
                if wrong[k]:
                    n_wrong, last = n_wrong + 1, k
            if n_wrong == 0:
                found = True
                break
            if n_wrong < fewest:
                fewest, patience = n_wrong, 3
            elif patience > 0:
                patience -= 1
            else:
                wrong[:] = False
                wrong[last] = True
            for k in range(n_atoms):
                if wrong[k]:
                    passive[k] = not passive[k]
        if not found:
            for k in range(n_atoms):
                x[k] = X[i, k]
            active_set_row(G, c, x, passive, L, rounding)
        for k in range(n_atoms):
            X[i, k] = x[k]


@jit
def active_set(G: np.ndarray, C: np.ndarray, X: np.ndarray) -> None:
    """Active-set method: one entry at a time becomes positive, and the objective falls with every step.

    C. Lawson, R. Hanson, "Solving least squares problems", 1974, chapter 23, on the normal equations as in R. Bro,
    S. de Jong, "A fast non-negativity-constrained least squares algorithm", 1997. Parameters as `block_pivoting`.
    """
    n_atoms = len(G)
    L, x, c = np.empty((n_atoms, n_atoms)), np.empty(n_atoms), np.empty(n_atoms)
    passive = np.empty(n_atoms, np.bool_)
    rounding = 10 * n_atoms * np.finfo(C.dtype).eps
    for i in range(len(X)):
        for k in range(n_atoms):
            c[k] = C[i, k]
            x[k] = X[i, k]
        active_set_row(G, c, x, passive, L, rounding)
        for k in range(n_atoms):
            X[i, k] = x[k]


@jit
def active_set_row(G, c, x, passive, L, rounding):
    """One row of `active_set`, in place; `passive` and `L` are overwritten."""
    n_atoms = len(G)
    s, blocked = np.empty(n_atoms), np.zeros(n_atoms, np.bool_)
    tol = rounding * np.abs(c).max()
    for k in range(n_atoms):
        passive[k] = x[k] > 0
    for _ in range(10 * n_atoms + 10):
        _solve(G, c, passive, L, s, rounding)
        step = 1.0
        for k in range(n_atoms):
            if passive[k] and s[k] <= 0:
                step = min(step, x[k] / (x[k] - s[k]) if x[k] > s[k] else 0.0)
        feasible = True
        for k in range(n_atoms):
            if not passive[k]:
                continue
            negative = s[k] <= 0
            x[k] += step * (s[k] - x[k])
            if negative:
                feasible = False
                if x[k] <= rounding * -s[k]:  # has reached zero; an entry that cannot leave it is not tried again
                    passive[k], x[k], blocked[k] = False, 0.0, step == 0
        if not feasible:
            continue
        steepest, entering = tol, -1
        for k in range(n_atoms):
            if not passive[k] and not blocked[k]:
                w = c[k]
                for j in range(n_atoms):
                    w -= G[k, j] * x[j]
                if w > steepest:
                    steepest, entering = w, k
        if entering < 0:
            break
        passive[entering] = True


@jit
def _solve(G, c, passive, L, x, rounding):
    """Solve G x = c for the passive entries by Cholesky; x = 0 elsewhere and where a column depends on others."""
    places = np.flatnonzero(passive)
    x[:] = 0
    for i in range(len(places)):  # row by row: L, with the reciprocal of its diagonal, and the solution of L y = c
        a = places[i]
        y, pivot = c[a], G[a, a]
        for j in range(i):
            product = G[a, places[j]]
            for k in range(j):
                product -= L[i, k] * L[j, k]
            L[i, j] = product * L[j, j]
        for k in range(i):
            y -= L[i, k] * x[places[k]]
            pivot -= L[i, k] * L[i, k]
        L[i, i] = 1 / np.sqrt(pivot) if pivot > rounding * G[a, a] else 0.0
        x[a] = y * L[i, i]
    for i in range(len(places) - 1, -1, -1):  # L' x = y
        total = x[places[i]]
        for j in range(i + 1, len(places)):
            total -= L[j, i] * x[places[j]]
        x[places[i]] = total * L[i, i]
