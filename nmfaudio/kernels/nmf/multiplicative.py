"""Sparse NMF by multiplicative updates under any beta-divergence.

The problem: minimise over W and H, both non-negative,

    D_beta(V | W H + eps) + sum_kn mu_kn norm(w_k) h_kn          (norm: L2, over the column w_k)

which is sparse NMF with atoms of unit L2 norm inside the objective ("well-done": Le Roux, Weninger and Hershey, "Sparse
NMF - half-baked or well done?", MERL TR2015-023), since scaling an atom up and its activations down changes nothing.
Every update minimises a function that touches the objective at the current point and lies above it elsewhere
(majorisation-minimisation), so the objective never rises, whatever beta. With L = W H + eps:

    p = W' (V L^(beta-2)),  q = W' L^(beta-1):      h <- h (p / (q + mu))^(1 / a)
    Q = (V L^(beta-2)) H',  P = L^(beta-1) H':      w <- w x,  P x^a + c w x^b = Q,  c = sum_n mu_n h_n

    a = 2 - beta below 0, 1 from 0 to 2, beta - 1 above 2;  b = 1 + max(2 - beta, 0) but 2 from 0 to 1

and then w is scaled to unit norm and h by the same factor. Without a penalty x = (Q / P)^(1 / a), from 0 to 1 it is the
root of a quadratic, else Newton finds it. The exponents a are those of Févotte and Idier, "Algorithms for nonnegative
matrix factorization with the beta-divergence" (2011); the penalty of h is majorised by a power of h where a asks for
it. The scale-invariant objective and a majorised norm of w are the way of Marmin, Goulart and Févotte,
"Majorization-minimization for sparse nonnegative matrix factorization with the beta-divergence" (2023), here for the L2
norm by its tangent square, (norm(w)^2 + 1) / 2. The heuristic update of Le Roux et al. has no such guarantee; on
spectrograms it is no faster for beta = 1 and above.

From 0 to below 1 the step goes past the majoriser's minimum, to where it is no higher than at the current point
(majorisation-equalisation, section 4.2 there), in half as many iterations: with u = 1 / x, (u^(1 - beta) - 1) /
(1 - beta) <= u - 1, so that the majoriser rises by at most (x - 1) (P + c w (x + 1) / 2 - Q / x), which is nothing at
the root of (P + c w / 2) x + c w x^2 / 2 = Q and below nothing between it and 1.

For beta = 0 q and P can be carried over from iteration to iteration, see `nmfaudio.nmf.carried`.
"""

import numpy as np

from .._jit import jit
from .divergence import beta_divergence, itakura_saito_single, kullback_leibler_single


def divergence_and_ratios(
    V: np.ndarray, L: np.ndarray, R: np.ndarray, beta: float, eps: float, weights: np.ndarray | None = None
) -> float:
    """The divergence, as by `beta_divergence`, before L and R become what `ratios` makes of them."""
    if beta in (0, 1) and V.dtype == np.float32:
        single = kullback_leibler_single if beta == 1 else itakura_saito_single
        return single(V, L, R, V.dtype.type(eps), weights)
    value = beta_divergence(V, L, beta, eps, R, weights)
    ratios(V, L, R, beta, eps, weights)
    return value


def ratios(
    V: np.ndarray, L: np.ndarray, R: np.ndarray, beta: float, eps: float, weights: np.ndarray | None = None
) -> None:
    """Turn the model L into ``weights * (L + eps)^(beta-1)``, and R into ``weights * V (L + eps)^(beta-2)``.

    Without weights and for beta = 1, where the first is all ones, L is left alone.
    """
    eps = V.dtype.type(eps)
    if beta == 1:
        ratio_kullback_leibler(V, L, R, eps, weights)
    elif beta == 2:
        _ratio_euclidean(V, L, R, eps, weights)
    elif beta == 0:
        _ratio_itakura_saito(V, L, R, eps, weights)
    else:
        L += eps
        np.power(L, V.dtype.type(beta - 2), out=R)
        _ratio_general(V, L, R, weights)


@jit
def ratio_kullback_leibler(V, L, R, eps, weights):
    """R = weights * V / (L + eps); L becomes the weights, if there are any."""
    for f in range(V.shape[0]):
        for n in range(V.shape[1]):
            r = V[f, n] / (L[f, n] + eps)
            if weights is not None:
                r *= weights[f, n]
                L[f, n] = weights[f, n]
            R[f, n] = r


@jit
def _ratio_euclidean(V, L, R, eps, weights):
    for f in range(V.shape[0]):
        for n in range(V.shape[1]):
            r, d = V[f, n], L[f, n] + eps
            if weights is not None:
                r *= weights[f, n]
                d *= weights[f, n]
            R[f, n] = r
            L[f, n] = d


@jit
def _ratio_itakura_saito(V, L, R, eps, weights):
    for f in range(V.shape[0]):
        for n in range(V.shape[1]):
            d = V.dtype.type(1) / (L[f, n] + eps)
            r = V[f, n] * d * d
            if weights is not None:
                r *= weights[f, n]
                d *= weights[f, n]
            R[f, n] = r
            L[f, n] = d


@jit
def _ratio_general(V, L, R, weights):
    """Take L^(beta-2) in R from the caller."""
    for f in range(V.shape[0]):
        for n in range(V.shape[1]):
            r, d = R[f, n] * V[f, n], R[f, n] * L[f, n]
            if weights is not None:
                r *= weights[f, n]
                d *= weights[f, n]
            R[f, n] = r
            L[f, n] = d


@jit
def multiply(X, numerator, denominator, floor):
    """X *= numerator / denominator; the denominator has shape (K, 1) or that of X."""
    zero = X.dtype.type(0)
    if denominator.shape[1] == 1:
        for k in range(X.shape[0]):
            scale = X.dtype.type(1) / max(denominator[k, 0], floor)
            for n in range(X.shape[1]):
                x = X[k, n] * numerator[k, n] * scale
                X[k, n] = x if x > floor else zero
    else:
        for k in range(X.shape[0]):
            for n in range(X.shape[1]):
                x = X[k, n] * numerator[k, n] / max(denominator[k, n], floor)
                X[k, n] = x if x > floor else zero


@jit
def update_atoms(W, H, Q, P, c, a, b, floor):
    """Update of the atoms W (F, K) from Q and P (F, K) and penalties c (K,); the scale goes into H. Overwrites Q."""
    n_bins, n_atoms = W.shape
    zero = W.dtype.type(0)
    squares = np.zeros(n_atoms, W.dtype)
    for f in range(n_bins):
        for k in range(n_atoms):
            x = W[f, k] * _factor(Q[f, k], max(P[f, k], floor), c[k] * W[f, k], a, b, floor)
            Q[f, k] = x if x > floor else zero
            squares[k] += Q[f, k] * Q[f, k]
    norms = np.sqrt(squares)
    for f in range(n_bins):
        for k in range(n_atoms):
            if norms[k] > zero:
                W[f, k] = Q[f, k] / norms[k]
    for k in range(n_atoms):  # an atom that nothing asks for keeps its shape and falls silent
        for n in range(H.shape[1]):
            H[k, n] *= norms[k]


@jit
def _factor(q, p, r, a, b, floor):
    """Positive root x of p x^a + r x^b = q."""
    if r <= floor:
        return q / p if a == 1 else (q / p) ** (1 / a)
    if a == 1 and b == 2:
        return (q + q) / (p + np.sqrt(p * p + (r + r) * (q + q)))
    if q <= floor:
        return q
    x = min((q / p) ** (1 / a), (q / r) ** (1 / b))  # not left of the root of a convex function: Newton only falls
    for _ in range(4):
        pa, rb = p * x**a, r * x**b
        x -= x * (pa + rb - q) / (a * pa + b * rb)
    return x
