"""Slow, literal twins of the kernels and models of the variants of NMF."""

import numpy as np


def weighted_sweep(X, weights, H, W, l2):
    """Every entry of W at the minimum of the weighted squares, one after the other."""
    W = W.copy()
    for i in range(W.shape[0]):
        for k in range(W.shape[1]):
            without = X[i] - W[i] @ H + W[i, k] * H[k]
            curvature = (weights[i] * H[k] ** 2).sum() + l2
            if curvature > 0:
                W[i, k] = max(0, (weights[i] * without * H[k]).sum() / curvature)
    return W


def symmetric_sweep(A, W):
    """Every entry of W at the minimum of norm(A - W W')^2 over non-negative numbers, by all stationary points."""
    W = W.copy()
    for i in range(W.shape[0]):
        for k in range(W.shape[1]):

            def cost(x, i=i, k=k):
                B = W.copy()
                B[i, k] = x
                return np.linalg.norm(A - B @ B.T) ** 2

            quartic = np.polynomial.Polynomial.fit(range(-2, 3), [cost(x) for x in range(-2, 3)], 4).convert()
            roots = quartic.deriv().roots()
            points = [0.0, *(r.real for r in roots if abs(r.imag) < 1e-6 * (1 + abs(r)) and r.real > 0)]
            W[i, k] = min(points, key=cost)
    return W


def convolutive_model(W, H):
    """L[n, f] = sum W[n - t, k, p] H[k, t, f - p] (Smaragdis 2004; Schmidt and Mørup 2006 with the shifts p)."""
    n_samples, n_atoms, n_shifts = W.shape
    _, n_frames, n_features = H.shape
    L = np.zeros((n_samples, n_features))
    for n, t, k, p, f in np.ndindex(n_samples, n_frames, n_atoms, n_shifts, n_features):
        if n >= t and f >= p:
            L[n, f] += W[n - t, k, p] * H[k, t, f - p]
    return L


def convolutive_objective(X, W, H):
    L = convolutive_model(W, H)
    return sum((x * np.log(x / y) if x > 0 else 0) - x + y for x, y in zip(X.ravel(), L.ravel(), strict=True))
