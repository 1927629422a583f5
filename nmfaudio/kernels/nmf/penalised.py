"""Multiplicative update of one factor whose entries carry linear and quadratic penalties."""

import numpy as np

from .._jit import jit
from .extrapolation import further


def penalised_update(
    X: np.ndarray,
    p: np.ndarray,
    q: np.ndarray,
    linear: np.ndarray,
    quadratic: np.ndarray,
    beta: float,
    relaxation: float = 0.0,
) -> None:
    """Minimise a majoriser of ``D_beta + sum(linear * X) + sum(quadratic * X**2) / 2``, entry by entry, in place.

    The majoriser of the divergence is that of Févotte and Idier, "Algorithms for nonnegative matrix factorization with
    the beta-divergence" (2011). With p and q of `Divergence` (the gradient is q - p), the factor r of an entry x solves

        beta < 2:   (q + linear) r^max(beta - 1, 0) + quadratic x r = p r^(beta - 2)
        otherwise:  (q + linear + quadratic x) r^(beta - 1) = p

    where a negative part of `linear` goes to the other side, as it is. For 0 <= beta < 1 it goes on to where the
    majoriser is no higher than at r = 1, see `nmfaudio.kernels.nmf.multiplicative`:

        q + linear + quadratic x (r + 1) / 2 = p / r

    Parameters
    ----------
    X, p : ndarray, shape (n, K)
    q, linear, quadratic : ndarray, shape (n, K) or (1, K) or (1, 1)
        `quadratic` is not negative.
    beta : float
    relaxation : float
        The entry's change is made larger by about the power ``1 + relaxation``.
    """
    scalar = X.dtype.type
    floor = scalar(np.finfo(X.dtype).tiny ** 0.5)
    more, less = scalar(1 + relaxation), scalar(1 - relaxation)
    if 0 <= beta <= 2 and quadratic.size == 1 and quadratic[0, 0] == 0 <= linear.min():
        each = np.ascontiguousarray(np.broadcast_to(linear, (len(linear), X.shape[1])))
        _proportional(X, p, q, each, more, less, floor)
        return
    q, linear, quadratic = (np.broadcast_to(a, X.shape) for a in (q, linear, quadratic))
    equalises = 0 <= beta < 1
    rising, falling = scalar(max(beta - 1, 0)), scalar(1 if equalises else max(2 - beta, 0))
    ahead = scalar(0.5 if equalises else 1)
    rule = {"rising": rising, "falling": falling, "ahead": ahead, "more": more, "less": less, "floor": floor}
    _update(X, p, q, linear, quadratic, **rule)


@jit
def _proportional(X, p, q, linear, more, less, floor):
    """X *= p / (q + linear), and further; q and linear have one row or all."""
    zero, one = X.dtype.type(0), X.dtype.type(1)
    for i in range(X.shape[0]):
        row = q[i if q.shape[0] > 1 else 0]
        extra = linear[i if linear.shape[0] > 1 else 0]
        for k in range(X.shape[1]):
            x = X[i, k] * _moved(p[i, k] / max(row[k] + extra[k], floor), one, more, less)
            X[i, k] = x if x > floor else zero


@jit
def _update(X, p, q, linear, quadratic, rising, falling, ahead, more, less, floor):
    zero, one = X.dtype.type(0), X.dtype.type(1)
    for i in range(X.shape[0]):
        for k in range(X.shape[1]):
            x = X[i, k]
            a, t = ahead * quadratic[i, k] * x, max(-linear[i, k], zero)
            b = max(q[i, k] + max(linear[i, k], zero) + (one - ahead) * quadratic[i, k] * x, floor)
            if falling == zero:
                r = (p[i, k] + t) / (b + a)
                if rising != one:
                    r = r ** (one / rising)
            elif a <= floor * b and t == zero:
                r = p[i, k] / b
                if rising + falling != one:
                    r = r ** (one / (rising + falling))
            elif rising == zero and falling == one:
                r = _quadratic_root(a, b - t, p[i, k])
            else:
                r = X.dtype.type(
                    _root(np.float64(a), np.float64(b), np.float64(t), np.float64(p[i, k]), rising, falling)
                )
            x *= _moved(r, one, more, less)
            X[i, k] = x if x > floor else zero


@jit
def _moved(r, one, more, less):
    """About r to the power ``more``."""
    return r if more == one else r * further(r, one, more, less)


@jit
def _quadratic_root(a, b, p):
    """The positive root of a r + b = p / r."""
    s = np.sqrt(b * b + 4 * a * p)
    return 2 * p / (b + s) if b > 0 else (s - b) / (2 * a)


@jit
def _root(a, b, t, p, rising, falling):
    """The positive root of b r^rising + a r = p r^-falling + t, by Newton's method on the logarithms of both sides.

    Their difference rises with log r everywhere, at a rate between 0 and 1 + falling.
    """
    if p + t <= 0:
        return p
    z = np.log((p + t) / (a + b)) / 2
    low, high = z - 100, z + 100
    for _ in range(30):
        r = np.exp(z)
        left_b, left_a, right = b * r**rising, a * r, p * r**-falling
        gap = np.log((left_b + left_a) / (right + t))
        slope = (rising * left_b + left_a) / (left_b + left_a) + falling * right / (right + t)
        if gap > 0:
            high = z
        else:
            low = z
        if abs(gap) < 1e-7:
            break
        z -= gap / slope
        if not low < z < high:
            z = (low + high) / 2
    return np.exp(z)
