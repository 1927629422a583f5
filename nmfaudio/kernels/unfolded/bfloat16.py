"""Matrices in bfloat16, the upper halves of single-precision numbers: half the memory traffic of float32."""

import numpy as np
from numba import types
from numba.extending import overload

_HALF = np.uint32(16)


def halved(X: np.ndarray) -> np.ndarray:
    """Store a matrix in bfloat16, as uint16, if that is exact; it is for the arrays of a compact dictionary.

    Parameters
    ----------
    X : ndarray, float32

    Returns
    -------
    ndarray, shape of X
        uint16, or X itself if a value would be rounded.
    """
    bits = X.view(np.uint32)
    return X if (bits & 0xFFFF).any() else (bits >> _HALF).astype(np.uint16)


def single(x):
    """Convert a number of a matrix from :func:`halved` to single precision."""
    return x if isinstance(x, np.float32) else np.uint32(np.uint32(x) << _HALF).view(np.float32)


@overload(single)
def _single(x):
    if x == types.float32:
        return lambda x: x
    return lambda x: np.uint32(np.uint32(x) << _HALF).view(np.float32)
