"""Slow, literal twins of the kernels: one formula a line, straight from the papers, in double precision."""

import numpy as np


def divergence(v, x, beta):
    """d_beta(v | x) of two numbers (Févotte and Idier 2011)."""
    if beta == 1:
        return (v * np.log(v / x) if v > 0 else 0.0) - v + x
    if beta == 0:
        return v / x - np.log(v / x) - 1
    return (v**beta + (beta - 1) * x**beta - beta * v * x ** (beta - 1)) / (beta * (beta - 1))


def beta_divergence(V, L, beta, weights):
    return sum(weights[f, n] * divergence(V[f, n], L[f, n], beta) for f in range(V.shape[0]) for n in range(V.shape[1]))


def objective(V, W, H, mu, beta, weights, eps):
    return beta_divergence(V, W @ H + eps, beta, weights) + sum(
        mu[k, n] * np.linalg.norm(W[:, k]) * H[k, n] for k in range(H.shape[0]) for n in range(H.shape[1])
    )


def exponent(beta):
    """Exponent of the update (Févotte and Idier 2011): from 0 to 1 that of majorisation-equalisation."""
    return 1 / (2 - beta) if beta < 0 else 1 if beta <= 2 else 1 / (beta - 1)


def denominator_H(W, H, beta, weights, eps):
    L = W @ H + eps
    q = np.empty_like(H)
    for k in range(H.shape[0]):
        for n in range(H.shape[1]):
            q[k, n] = sum(W[f, k] * weights[f, n] * L[f, n] ** (beta - 1) for f in range(len(W)))
    return q


def denominator_W(W, H, beta, weights, eps):
    return denominator_H(H.T, W.T, beta, weights.T, eps).T


def carried(q, then, now, totals):
    """Denominators of `now` by those of `then` (nmfaudio.nmf.carried); the atoms are rows."""
    guess = np.empty_like(q)
    for n in range(q.shape[1]):
        rest = totals[n] - sum(then[k, n] * q[k, n] for k in range(len(q)))
        level = (rest + sum(now[k, n] * q[k, n] for k in range(len(q)))) / totals[n]
        for k in range(len(q)):
            guess[k, n] = q[k, n] / level
    return guess


def update_H(V, W, H, mu, beta, weights, eps, q=None):
    L = W @ H + eps
    q = denominator_H(W, H, beta, weights, eps) if q is None else q
    new = np.empty_like(H)
    for k in range(H.shape[0]):
        for n in range(H.shape[1]):
            p = sum(W[f, k] * weights[f, n] * V[f, n] * L[f, n] ** (beta - 2) for f in range(len(V)))
            new[k, n] = H[k, n] * (p / (q[k, n] + mu[k, n])) ** exponent(beta)
    return new


def update_W(V, W, H, mu, beta, weights, eps, n_fixed, denominators=None):
    """New W and H; the formulas are in the docstring of nmfaudio.kernels.nmf.multiplicative."""
    L = W @ H + eps
    denominators = denominator_W(W, H, beta, weights, eps) if denominators is None else denominators
    new_W, new_H = W.copy(), H.copy()
    for k in range(n_fixed, W.shape[1]):
        c = sum(mu[k, n] * H[k, n] for n in range(H.shape[1]))
        for f in range(len(V)):
            Q = sum(weights[f, n] * V[f, n] * L[f, n] ** (beta - 2) * H[k, n] for n in range(H.shape[1]))
            P = denominators[f, k]
            # The minimum of the majoriser, where P x^max(beta - 1, 0) + c w x = Q x^-max(2 - beta, 0), or where it is
            # no higher than at 1, by bisection.
            low, high = -60.0, 60.0
            for _ in range(200):
                x = np.exp((low + high) / 2)
                if 0 <= beta < 1:
                    rises = P + c * W[f, k] * (x + 1) / 2 > Q / x
                else:
                    rises = P * x ** max(beta - 1, 0) + c * W[f, k] * x > Q * x ** -max(2 - beta, 0)
                low, high = (low, np.log(x)) if rises else (np.log(x), high)
            factor = x
            new_W[f, k] = W[f, k] * factor
        norm = np.linalg.norm(new_W[:, k])
        new_W[:, k] /= norm
        new_H[k] *= norm
    return new_W, new_H


def carrying_steps(V, W, H, mu, weights, eps, n_fixed, n_steps):
    """W, H and the objective before each step, for beta = 0; q is computed in steps 0 and 3, P in 0, 1 and 4."""
    values, totals_H, totals_W = [], weights.sum(axis=0), weights.sum(axis=1)
    for step in range(n_steps):
        values.append(objective(V, W, H, mu, 0, weights, eps))
        if step % 3 == 0:
            q, then_H = denominator_H(W, H, 0, weights, eps), H
        H = update_H(V, W, H, mu, 0, weights, eps, carried(q, then_H, H, totals_H))
        free = slice(n_fixed, None)
        if step % 3 == 1 or step == 0:
            P, then_W = denominator_W(W, H, 0, weights, eps)[:, free], W[:, free]
        guess = np.zeros_like(W)
        guess[:, free] = carried(P.T, then_W.T, W[:, free].T, totals_W).T
        new_W, new_H = update_W(V, W, H, mu, 0, weights, eps, n_fixed, guess)
        norms = np.ones(len(H))  # what the atoms lose the activations gain, and each denominator follows
        norms[free] = [new_H[k].max() / H[k].max() for k in range(n_fixed, len(H))]
        q, then_H = q / norms[:, None], then_H * norms[:, None]
        P, then_W = P * norms[free], then_W / norms[free]
        W, H = new_W, new_H
    return W, H, values


def well_done_update_W(V, W, H, beta):
    """The heuristic of Le Roux, Weninger and Hershey (2015) for all atoms."""
    L = W @ H
    Q = (V * L ** (beta - 2)) @ H.T
    P = L ** (beta - 1) @ H.T
    ones = np.ones((len(V), len(V)))
    W = W * (Q + W * (ones @ (W * P))) / (P + W * (ones @ (W * Q)))
    return W / np.linalg.norm(W, axis=0)
