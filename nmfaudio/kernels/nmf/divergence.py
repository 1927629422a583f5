"""Beta-divergence between a matrix and its model."""

import numpy as np

from .._jit import jit
from ..elementary import log2

_RUN = 512  # terms added up in single precision; a conversion of each would take half of the time
_ZERO, _ONE, _LN2, _TINY = np.float32(0), np.float32(1), np.float32(np.log(2)), np.finfo(np.float32).tiny


def beta_divergence(
    V: np.ndarray, L: np.ndarray, beta: float, eps: float, work: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Sum of ``weights * d_beta(V | L + eps)``: 2 Frobenius (halved), 1 Kullback-Leibler, 0 Itakura-Saito.

    Févotte and Idier, "Algorithms for nonnegative matrix factorization with the beta-divergence" (2011), section 2.

    Parameters
    ----------
    V, L : ndarray, shape (F, N)
        Non-negative matrix and model; for beta <= 0 no entry of V may be zero.
    beta : float
    eps : float
        Positive; what keeps the model from zero.
    work : ndarray, shape (F, N)
        Overwritten.
    weights : ndarray, shape (F, N), optional

    Returns
    -------
    float
        Accumulated in double precision.
    """
    eps = V.dtype.type(eps)
    if beta == 2:
        return _euclidean(V, L, eps, weights)
    special = round(beta) if abs(beta - round(beta)) < 1e-6 else beta  # there the general formula divides by nothing
    if special in (0, 1) and V.dtype == np.float32:
        return (kullback_leibler_single if special == 1 else itakura_saito_single)(V, L, None, eps, weights)
    if special in (0, 1):  # numpy's logarithm is vectorised, Numba's is not
        _quotient(V, L, eps, np.finfo(V.dtype).tiny, work)
        np.log(work, out=work)
        return (_kullback_leibler if special == 1 else _itakura_saito)(V, L, eps, work, weights)
    return _general(V, L, float(beta), eps, weights)


@jit
def _euclidean(V, L, eps, weights):
    total = np.float64(0)  # where nothing is compiled, a sum that begins with 0.0 stays in single precision
    for f in range(V.shape[0]):
        for n in range(V.shape[1]):
            d = V[f, n] - (L[f, n] + eps)
            d = d * d
            if weights is not None:
                d *= weights[f, n]
            total += d
    return 0.5 * total


@jit
def _quotient(V, L, eps, tiny, out):
    for f in range(V.shape[0]):
        for n in range(V.shape[1]):
            out[f, n] = max(V[f, n] / (L[f, n] + eps), tiny)


@jit
def kullback_leibler_single(V, L, R, eps, weights):
    """Divergence in single precision; R, if there is one, becomes weights * V / (L + eps), and L the weights."""
    total = np.float64(0)
    for f in range(V.shape[0]):
        for start in range(0, V.shape[1], _RUN):
            run = slice(start, start + _RUN)
            v, x, part = V[f, run], L[f, run], _ZERO
            w = v if weights is None else weights[f, run]
            quotients = x if R is None else R[f, run]
            for n in range(len(v)):
                y = x[n] + eps
                r = v[n] / y
                d = v[n] * (_LN2 * log2(max(r, _TINY))) - v[n] + y
                if weights is not None:
                    d *= w[n]
                    r *= w[n]
                    if R is not None:
                        x[n] = w[n]
                if R is not None:
                    quotients[n] = r
                part += d
            total += part
    return total


@jit
def itakura_saito_single(V, L, R, eps, weights):
    """Divergence in single precision; with an R, L becomes weights / (L + eps) and R weights * V / (L + eps)^2."""
    total = np.float64(0)
    for f in range(V.shape[0]):
        for start in range(0, V.shape[1], _RUN):
            run = slice(start, start + _RUN)
            v, x, part = V[f, run], L[f, run], _ZERO
            w = v if weights is None else weights[f, run]
            quotients = x if R is None else R[f, run]
            for n in range(len(v)):
                inverse = _ONE / (x[n] + eps)
                r = v[n] * inverse
                d = r - _LN2 * log2(max(r, _TINY)) - _ONE
                if weights is not None:
                    d *= w[n]
                if R is not None:
                    scale = inverse if weights is None else inverse * w[n]
                    x[n] = scale
                    quotients[n] = r * scale
                part += d
            total += part
    return total


@jit
def _kullback_leibler(V, L, eps, log_ratio, weights):
    total = np.float64(0)
    for f in range(V.shape[0]):
        for n in range(V.shape[1]):
            d = V[f, n] * log_ratio[f, n] - V[f, n] + (L[f, n] + eps)
            if weights is not None:
                d *= weights[f, n]
            total += d
    return total


@jit
def _itakura_saito(V, L, eps, log_ratio, weights):
    total = np.float64(0)
    for f in range(V.shape[0]):
        for n in range(V.shape[1]):
            d = V[f, n] / (L[f, n] + eps) - log_ratio[f, n] - V.dtype.type(1)
            if weights is not None:
                d *= weights[f, n]
            total += d
    return total


@jit
def _general(V, L, beta, eps, weights):
    total = np.float64(0)
    for f in range(V.shape[0]):
        for n in range(V.shape[1]):
            v, x = np.float64(V[f, n]), np.float64(L[f, n] + eps)
            d = v**beta + (beta - 1) * x**beta - beta * v * x ** (beta - 1)
            if weights is not None:
                d *= weights[f, n]
            total += d
    return total / (beta * (beta - 1))
