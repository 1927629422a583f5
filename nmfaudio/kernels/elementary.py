"""Base-two logarithm and exponential in single precision, as arithmetic that compilers turn into vector code.

The mathematical library's own are called value by value. These are for positive, normal numbers and for exponents in
the range of single precision; a NaN stays one.
"""

import numpy as np

from ._jit import jit

_MANTISSA = np.int32(23)
_BIAS = np.int32(127)
_ROOT_HALF = np.int32(0x3F3504F3)  # the bits of sqrt(1/2)
_ONE, _HALF, _LOWEST, _HIGHEST = np.float32(1), np.float32(0.5), np.float32(-126), np.float32(127)
# 2 / ln(2) * atanh(s) = log2((1 + s) / (1 - s)), its series in odd powers
_L1, _L3, _L5, _L7, _L9 = (np.float32(2 / np.log(2) / n) for n in (1, 3, 5, 7, 9))
# 2^f = exp(f ln 2), its series
_E1, _E2, _E3, _E4, _E5, _E6, _E7 = (
    np.float32(np.log(2) ** n / d) for n, d in enumerate((1, 2, 6, 24, 120, 720, 5040), 1)
)


@jit
def log2(x):
    """Logarithm to base 2 of a normal float32, to 2e-7 of the larger of 1 and itself."""
    bits = np.float32(x).view(np.int32)
    exponent = np.int32(np.int32(bits - _ROOT_HALF) >> _MANTISSA)
    m = np.int32(bits - np.int32(exponent << _MANTISSA)).view(np.float32)  # from sqrt(1/2) to sqrt(2)
    s = (m - _ONE) / (m + _ONE)
    z = s * s
    result = np.float32(exponent) + s * (_L1 + z * (_L3 + z * (_L5 + z * (_L7 + z * _L9))))
    return result if x == x else x


@jit
def exp2(x):
    """Two to the power of a float32, to 2e-7 of itself; below 2^-126 and above 2^127 it stays there."""
    y = min(x if x > _LOWEST else _LOWEST, _HIGHEST)
    whole = np.floor(y + _HALF)
    f = y - whole
    p = _ONE + f * (_E1 + f * (_E2 + f * (_E3 + f * (_E4 + f * (_E5 + f * (_E6 + f * _E7))))))
    result = p * np.int32(np.int32(np.int32(whole) + _BIAS) << _MANTISSA).view(np.float32)
    return result if x == x else x
