"""Slow, literal twins of the updates behind separation: one formula a line, in double precision."""

import numpy as np


def model(W, H, Q):
    """L[c, f, n] = sum_tk Q[c, k] W[f, t, k] H[k, n - t]."""
    L = np.zeros((len(Q), len(W), H.shape[1]))
    for c, f, n in np.ndindex(L.shape):
        for t in range(min(W.shape[1], n + 1)):
            for k in range(len(H)):
                L[c, f, n] += Q[c, k] * W[f, t, k] * H[k, n - t]
    return L


def objective(V, W, H, Q, mu, weights, eps):
    """Kullback-Leibler divergence and penalty, where an atom's scale over bins, taps and channels does not count."""
    L = model(W, H, Q) + eps
    total = 0.0
    for i in np.ndindex(V.shape):
        total += weights[i] * ((V[i] * np.log(V[i] / L[i]) if V[i] > 0 else 0.0) - V[i] + L[i])
    for k in range(len(H)):
        norm = np.linalg.norm(W[:, :, k]) * np.sqrt((Q[:, k] ** 2).mean())
        total += mu * norm * H[k].sum()
    return total


def update_H(V, W, H, Q, mu, weights, eps):
    L = model(W, H, Q) + eps
    new = np.empty_like(H)
    for k, n in np.ndindex(H.shape):
        p = q = 0.0
        for t in range(min(W.shape[1], H.shape[1] - n)):
            for c in range(len(Q)):
                for f in range(len(W)):
                    p += Q[c, k] * W[f, t, k] * weights[c, f, n + t] * V[c, f, n + t] / L[c, f, n + t]
                    q += Q[c, k] * W[f, t, k] * weights[c, f, n + t]
        new[k, n] = H[k, n] * p / (q + mu)
    return new


def update_atoms(V, W, H, Q, mu, weights, eps, n_fixed):
    """Minimum of the majoriser, where P x + c w x^2 = Q, for each entry; then unit norm, and the scale into H."""
    L = model(W, H, Q) + eps
    new_W, new_H = W.copy(), H.copy()
    for k in range(n_fixed, len(H)):
        c_k = mu * H[k].sum()
        for f, t in np.ndindex(W.shape[:2]):
            numerator = denominator = 0.0
            for c in range(len(Q)):
                for n in range(t, H.shape[1]):
                    numerator += Q[c, k] * weights[c, f, n] * V[c, f, n] / L[c, f, n] * H[k, n - t]
                    denominator += Q[c, k] * weights[c, f, n] * H[k, n - t]
            new_W[f, t, k] *= root(c_k * W[f, t, k], denominator, numerator)
        norm = np.linalg.norm(new_W[:, :, k])
        new_W[:, :, k] /= norm
        new_H[k] *= norm
    return new_W, new_H


def update_levels(V, W, H, Q, mu, weights, eps, places):
    """The same for the levels that atoms of one place share; then mean square 1, and the scale into H."""
    L = model(W, H, Q) + eps
    new_Q, new_H, n_channels = Q.copy(), H.copy(), len(Q)
    for place in set(places):
        members = [k for k in range(len(H)) if places[k] == place]
        c_place = mu * sum(H[k].sum() for k in members)
        level = np.empty(n_channels)
        for c in range(n_channels):
            numerator = denominator = 0.0
            for k in members:
                for f, t in np.ndindex(W.shape[:2]):
                    for n in range(t, H.shape[1]):
                        numerator += W[f, t, k] * weights[c, f, n] * V[c, f, n] / L[c, f, n] * H[k, n - t]
                        denominator += W[f, t, k] * weights[c, f, n] * H[k, n - t]
            level[c] = Q[c, members[0]] * root(c_place * Q[c, members[0]] / n_channels, denominator, numerator)
        scale = np.sqrt((level**2).mean())
        for k in members:
            new_Q[:, k] = level / scale
            new_H[k] *= scale
    return new_Q, new_H


def root(a, b, c):
    """Positive x where a x^2 + b x = c."""
    return c / b if a == 0 else (np.sqrt(b * b + 4 * a * c) - b) / (2 * a)
