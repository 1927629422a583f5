"""Slow, literal twins of the kernels for general NMF: one formula a line, straight from the papers."""

import numpy as np
from scipy.optimize import nnls


def coordinate_sweep(G, C, X):
    """HALS: every column at its minimum, one after the other (Cichocki and Phan 2009)."""
    X = X.copy()
    for k in range(len(G)):
        if G[k, k] > 0:
            X[:, k] = np.maximum(0, X[:, k] + (C[:, k] - X @ G[:, k]) / G[k, k])
    return X


def least_squares(A, B):
    """Rows x >= 0 with ``A x`` nearest to the rows of B."""
    return np.array([nnls(A, b)[0] for b in B])


def majoriser(r, x, p, q, linear, quadratic, beta):
    """What is zero for the factor r of the entry x: the derivative of the majoriser, or its rise divided by r - 1."""
    a, t = max(linear, 0), max(-linear, 0)
    if 0 <= beta < 1:
        return q + a + quadratic * x * (r + 1) / 2 - p / r - t
    if beta < 2:
        return (q + a) * r ** max(beta - 1, 0) + quadratic * x * r - p * r ** (beta - 2) - t
    return (q + a + quadratic * x) * r ** (beta - 1) - p - t


def root(function):
    """Zero of a rising function of a positive number, by bisection of its logarithm."""
    low, high = -80.0, 80.0
    for _ in range(200):
        z = (low + high) / 2
        low, high = (low, z) if function(np.exp(z)) > 0 else (z, high)
    return np.exp(z)


def kl_sweep(X, H, W, l1, l2, eps):
    """One sweep of coordinate descent; the steps are those of the docstring of nmfaudio.kernels.nmf.kl_descent."""
    W = W.copy()
    for i in range(len(X)):
        for k in range(len(H)):

            def slope(w, i=i, k=k):
                model = np.maximum(W[i] @ H - W[i, k] * H[k] + w * H[k] + eps, eps)
                return H[k].sum() + l1 + l2 * w - (H[k] * X[i] / model).sum()

            w, model = W[i, k], W[i] @ H + eps
            curvature = (H[k] ** 2 * X[i] / model**2).sum() + l2
            if slope(w) < 0:
                W[i, k] = w - slope(w) / curvature
            elif slope(w) > 0 and w > 0:
                d = slope(w) / curvature if curvature else np.inf
                low = max(0, w - d)
                if slope(low) < 0:
                    secant = w - (w - low) * slope(w) / (slope(w) - slope(low))
                    low = min(secant, w - 2 * d / (1 + 2 * d / w + np.sqrt(1 + 4 * d / w)))
                W[i, k] = low
    return W
