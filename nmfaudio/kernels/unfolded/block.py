"""Unfolded updates of blocks of frames at run time, in single precision, around matrix products.

Frames are columns here, as in V, so that the inner loops run over frames. :mod:`nmfaudio.kernels.frame` is for one.
The stack of a frame is its ``F`` bins and below them parts of ``B`` bands each; the tracked atoms are given once in
bins and once in bands, and the bands repeat down the stack.
"""

import numpy as np

from .._jit import jit
from ..elementary import exp2, log2

_ONE = np.float32(1)


@jit
def explain_block(V, R, tracked, gains, folded, a, weights, n_bins, eps, numerator, denominator):
    """Turn the model R of a block into the ratio ``weights * V / (R + (G * A) a + eps)``.

    Parameters
    ----------
    V, R : ndarray, shape (D, N)
        Stack; on entry ``W @ H``, on return the ratio Q.
    tracked : ndarray, shape (J, F + B, N)
        A, the atoms of each frame.
    gains : ndarray, shape (J, D)
    folded : ndarray, shape (J, F + B)
        ``weights * gains``, summed over the rows that one row of A goes to.
    a : ndarray, shape (J, N)
        Activations of the tracked atoms.
    weights : ndarray, shape (D,)
    n_bins : int
    eps : float
    numerator, denominator : ndarray, shape (J, N)
        Outputs: ``sum_d Q G A`` and ``sum_d weights G A``, for the tracked atoms' own update.
    """
    n_tracked, n_sources, n_frames = tracked.shape
    n_bands = n_sources - n_bins
    n_padded = max(3, -(-n_tracked // 3) * 3)  # three at a time, the last with the quotient: few passes
    last = n_padded - 3
    scaled, sums = np.zeros((n_padded, n_frames), V.dtype), np.empty((n_padded, n_frames), V.dtype)
    g = np.zeros(n_padded, V.dtype)
    numerator[:] = 0
    denominator[:] = 0
    for b in range(n_sources):  # all rows that one row of the tracked atoms goes to
        for j in range(n_tracked):
            atom, scale, scaled_atom = tracked[j, b], a[j], scaled[j]
            for t in range(n_frames):
                scaled_atom[t] = scale[t] * atom[t]
        sums[:] = 0
        for d in range(b, b + 1 if b < n_bins else len(V), n_bands):
            v, r, c = V[d], R[d], weights[d]
            for j in range(n_tracked):
                g[j] = gains[j, d]
            for j in range(0, last, 3):
                g0, g1, g2 = g[j], g[j + 1], g[j + 2]
                scaled0, scaled1, scaled2 = scaled[j], scaled[j + 1], scaled[j + 2]
                for t in range(n_frames):
                    r[t] += g0 * scaled0[t] + g1 * scaled1[t] + g2 * scaled2[t]
            g0, g1, g2 = g[last], g[last + 1], g[last + 2]
            scaled0, scaled1, scaled2 = scaled[last], scaled[last + 1], scaled[last + 2]
            sum0, sum1, sum2 = sums[last], sums[last + 1], sums[last + 2]
            for t in range(n_frames):
                q = c * v[t] / (r[t] + (g0 * scaled0[t] + g1 * scaled1[t] + g2 * scaled2[t]) + eps)
                r[t] = q
                sum0[t] += g0 * q
                sum1[t] += g1 * q
                sum2[t] += g2 * q
            for j in range(0, last, 3):
                g0, g1, g2, sum0, sum1, sum2 = g[j], g[j + 1], g[j + 2], sums[j], sums[j + 1], sums[j + 2]
                for t in range(n_frames):
                    q = r[t]
                    sum0[t] += g0 * q
                    sum1[t] += g1 * q
                    sum2[t] += g2 * q
        for j in range(n_tracked):
            atom, total, num, den, scale = tracked[j, b], sums[j], numerator[j], denominator[j], folded[j, b]
            for t in range(n_frames):
                num[t] += total[t] * atom[t]
                den[t] += scale * atom[t]


@jit
def relaxed(h, p, scale, relaxation, least, most):
    """One activation of :func:`relaxed_update`, whose denominator is ``1 / scale``."""
    ratio = p * scale
    return h * exp2(min(max(relaxation * log2(least if ratio < least else ratio), -most), most))


@jit
def relaxed_update(H, P, denominator, relaxation, least, most):
    """H *= (P / denominator)^relaxation, row by row.

    Parameters
    ----------
    H, P : ndarray, shape (K, N)
        Activations, changed in place, and the numerator of their update.
    denominator, relaxation : ndarray, shape (K,)
    least : float
        Smallest quotient.
    most : float
        Largest size of the factor's logarithm to base 2.
    """
    for k in range(H.shape[0]):
        h, p, scale, g = H[k], P[k], _ONE / denominator[k], relaxation[k]
        for t in range(H.shape[1]):
            h[t] = relaxed(h[t], p[t], scale, g, least, most)


@jit
def shares(S, N, tracked, a, speech_gains, noise_gains, power, tiny):
    """Add what the tracked atoms contribute to S and N, and turn both into powers of their shares.

    Parameters
    ----------
    S, N : ndarray, shape (F, N)
        What the trained atoms contribute to speech and noise; on return ``(S / (S + N))^p`` and ``(N / (S + N))^p``.
    tracked : ndarray, shape (J, at least F, N)
    a : ndarray, shape (J, N)
    speech_gains, noise_gains : ndarray, shape (J, F)
    power : ndarray, shape (F,)
    tiny : float
        Smallest contribution.
    """
    for f in range(S.shape[0]):
        s, n, p = S[f], N[f], power[f]
        for j in range(len(tracked)):
            atom, scale, g, h = tracked[j, f], a[j], speech_gains[j, f], noise_gains[j, f]
            for t in range(S.shape[1]):
                part = scale[t] * atom[t]
                s[t] += g * part
                n[t] += h * part
        for t in range(S.shape[1]):
            x, y = max(s[t], tiny), max(n[t], tiny)
            scale = _ONE / (x + y)
            s[t] = exp2(p * log2(max(x * scale, tiny)))
            n[t] = exp2(p * log2(max(y * scale, tiny)))
