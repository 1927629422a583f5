"""Beta-divergence between a matrix and its model."""

import numpy as np

from ..parallel import by_rows
from ._jit import jit
from .elementary import log2

_LN2, _TINY = np.float32(np.log(2)), np.finfo(np.float32).tiny


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
    parts = by_rows(lambda *rows: _beta_divergence(*rows, beta=beta, eps=eps), V, L, work, weights)
    return float(np.sum(parts))


def _beta_divergence(
    V: np.ndarray, L: np.ndarray, work: np.ndarray, weights: np.ndarray | None, *, beta: float, eps: float
) -> float:
    if beta == 2:
        return _euclidean(V, L, eps, weights)
    special = round(beta) if abs(beta - round(beta)) < 1e-6 else beta  # there the general formula divides by nothing
    if special in (0, 1) and V.dtype == np.float32:
        return (_kullback_leibler_single if special == 1 else _itakura_saito_single)(V, L, eps, weights)
    if special in (0, 1):  # numpy's logarithm is vectorised, Numba's is not
        _quotient(V, L, eps, np.finfo(V.dtype).tiny, work)
        np.log(work, out=work)
        return (_kullback_leibler if special == 1 else _itakura_saito)(V, L, eps, work, weights)
    return _general(V, L, float(beta), eps, weights)


@jit
def _euclidean(V, L, eps, weights):
    total = 0.0
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
def _kullback_leibler_single(V, L, eps, weights):
    total = 0.0
    for f in range(V.shape[0]):
        for n in range(V.shape[1]):
            x = L[f, n] + eps
            d = V[f, n] * (_LN2 * log2(max(V[f, n] / x, _TINY))) - V[f, n] + x
            if weights is not None:
                d *= weights[f, n]
            total += d
    return total


@jit
def _itakura_saito_single(V, L, eps, weights):
    total = 0.0
    for f in range(V.shape[0]):
        for n in range(V.shape[1]):
            ratio = V[f, n] / (L[f, n] + eps)
            d = ratio - _LN2 * log2(max(ratio, _TINY)) - V.dtype.type(1)
            if weights is not None:
                d *= weights[f, n]
            total += d
    return total


@jit
def _kullback_leibler(V, L, eps, log_ratio, weights):
    total = 0.0
    for f in range(V.shape[0]):
        for n in range(V.shape[1]):
            d = V[f, n] * log_ratio[f, n] - V[f, n] + (L[f, n] + eps)
            if weights is not None:
                d *= weights[f, n]
            total += d
    return total


@jit
def _itakura_saito(V, L, eps, log_ratio, weights):
    total = 0.0
    for f in range(V.shape[0]):
        for n in range(V.shape[1]):
            d = V[f, n] / (L[f, n] + eps) - log_ratio[f, n] - V.dtype.type(1)
            if weights is not None:
                d *= weights[f, n]
            total += d
    return total


@jit
def _general(V, L, beta, eps, weights):
    total = 0.0
    for f in range(V.shape[0]):
        for n in range(V.shape[1]):
            v, x = np.float64(V[f, n]), np.float64(L[f, n] + eps)
            d = v**beta + (beta - 1) * x**beta - beta * v * x ** (beta - 1)
            if weights is not None:
                d *= weights[f, n]
            total += d
    return total / (beta * (beta - 1))
