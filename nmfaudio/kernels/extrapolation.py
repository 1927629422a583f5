"""Steps beyond an update, for factors that stay positive."""

import numpy as np

from ._jit import jit


@jit
def extrapolate(X: np.ndarray, Y: np.ndarray, strength: float) -> None:
    """X becomes about ``X (X / Y)^strength``, in place.

    The power is the quotient of ``(1 + a) X + (1 - a) Y`` and ``(1 - a) X + (1 + a) Y`` (Padé's approximation of order
    1, 1, equal to it up to the third order in the logarithm), which lies between ``(1 - a) / (1 + a)`` and its inverse.

    Parameters
    ----------
    X, Y : ndarray, shape (n, K)
        A factor now, and before; where both are zero X stays zero.
    strength : float
        From 0 to 1.
    """
    one, zero = X.dtype.type(1), X.dtype.type(0)
    more, less = one + X.dtype.type(strength), one - X.dtype.type(strength)
    for i in range(X.shape[0]):
        for k in range(X.shape[1]):
            x, y = X[i, k], Y[i, k]
            below = less * x + more * y
            X[i, k] = x * ((more * x + less * y) / below) if below > zero else x
