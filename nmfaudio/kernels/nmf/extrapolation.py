"""Steps beyond an update, for factors that stay positive."""

import numpy as np

from .._jit import jit


def extrapolate(X: np.ndarray, Y: np.ndarray, strength: float) -> None:
    """X becomes about ``X (X / Y)^strength``, and Y what X was, both in place.

    The power is that of :func:`further`.

    Parameters
    ----------
    X, Y : ndarray, shape (n, K)
        A factor now, and before; where both are zero X stays zero.
    strength : float
        From 0 to 1.
    """
    more, less = X.dtype.type(1 + strength), X.dtype.type(1 - strength)
    _extrapolate(X, Y, more, less)


@jit
def _extrapolate(X, Y, more, less):
    zero = X.dtype.type(0)
    for i in range(X.shape[0]):
        for k in range(X.shape[1]):
            x, y = X[i, k], Y[i, k]
            X[i, k] = x * further(x, y, more, less) if less * x + more * y > zero else x
            Y[i, k] = x


@jit
def further(x, y, more, less):
    """About ``(x / y)^a``, where ``more = 1 + a`` and ``less = 1 - a``.

    The quotient of ``(1 + a) x + (1 - a) y`` and ``(1 - a) x + (1 + a) y`` (Padé's approximation of order 1, 1, equal
    to the power up to the third order in the logarithm), which lies between ``(1 - a) / (1 + a)`` and its inverse.
    """
    return (more * x + less * y) / (less * x + more * y)
