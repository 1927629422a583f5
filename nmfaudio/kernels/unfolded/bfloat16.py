"""Matrices in bfloat16, the upper halves of single-precision numbers, for kernels that wait for memory."""

import numpy as np
from numba import types
from numba.extending import overload

_HALF = np.uint32(16)


def halved(X: np.ndarray) -> np.ndarray:
    """Matrix as uint16 where bfloat16 holds all its values exactly, as it does those of a compact dictionary.

    Parameters
    ----------
    X : ndarray, float32

    Returns
    -------
    ndarray, shape of X
        uint16, or X itself if it would be rounded.
    """
    bits = X.view(np.uint32)
    return X if (bits & 0xFFFF).any() else (bits >> _HALF).astype(np.uint16)


def single(x):
    """Number in single precision, from a matrix that :func:`halved` gave."""
    return x if isinstance(x, np.float32) else np.uint32(np.uint32(x) << _HALF).view(np.float32)


@overload(single)
def _single(x):
    if x == types.float32:
        return lambda x: x
    return lambda x: np.uint32(np.uint32(x) << _HALF).view(np.float32)
