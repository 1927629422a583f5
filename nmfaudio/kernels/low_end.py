"""Offset and rumble of a signal, sample by sample."""

import numpy as np

from ._jit import jit


@jit
def split_low_end(
    y: np.ndarray, slowest: float, sections: np.ndarray, state: np.ndarray, x: np.ndarray, v: np.ndarray
) -> None:
    """Take the offset m off a signal, and a high-pass filter over the rest.

        m <- m + a (y - m),   x = y - m,   v = high-pass of x by biquads in transposed direct form II

    The weight a falls to `slowest` as 1 / (number of samples), so that m is a mean at the beginning.

    Parameters
    ----------
    y : ndarray, shape (C, n), float32
        Signal of C channels.
    slowest : float
        Least weight of a sample in the mean.
    sections : ndarray, shape (S, 5), float64
        Biquads b0, b1, b2, a1, a2, where a0 is 1.
    state : ndarray, shape (C, 2 + 2 S), float64
        Number of samples before, m, and two values for each biquad; updated.
    x, v : ndarray, shape (C, n), float32
        Results.
    """
    for c in range(y.shape[0]):
        n, m = state[c, 0], state[c, 1]
        for i in range(y.shape[1]):
            m += max(slowest, 1 / (n + 1)) * (y[c, i] - m)
            n += 1
            s = y[c, i] - m
            x[c, i] = s
            for k in range(sections.shape[0]):
                first, second = 2 + 2 * k, 3 + 2 * k
                out = sections[k, 0] * s + state[c, first]
                state[c, first] = sections[k, 1] * s - sections[k, 3] * out + state[c, second]
                state[c, second] = sections[k, 2] * s - sections[k, 4] * out
                s = out
            v[c, i] = s
        state[c, 0], state[c, 1] = n, m
