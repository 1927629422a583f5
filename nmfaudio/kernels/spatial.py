"""Multichannel Wiener filter of two channels, whose spatial covariances follow the sources as they move."""

import numpy as np

from ._jit import jit

_LEAST = 1e-9  # of the power, in all directions, so that no covariance is singular
_PRIOR = 3.0  # weight of a covariance without direction, in frames of mean power
_TINY = 1e-30


@jit
def spatial_filter(Y, masks, reach, n_iter, start, out):
    """Filter two channels into the images of their sources.

    A source has the covariance ``v R`` in a bin, for its power v and the R of its surroundings in time: the mean of
    the covariances of the frames within reach, over that of their powers. They are first those of the masked mixture,
    and then those that the filter ``v_j R_j (sum_i v_i R_i)^-1`` leaves (Duong, Vincent and Gribonval,
    "Under-determined reverberant audio source separation using a full-rank spatial covariance model", 2010, equations
    17 to 22).

    Parameters
    ----------
    Y : ndarray of complex, shape (2, F, T)
    masks : ndarray, shape (S, F, T)
        Shares of the sources in the power; they sum to one.
    reach : int
        Frames to both sides.
    n_iter : int
        Times that the covariances are computed again.
    start : int
        First frame of the output.
    out : ndarray of complex, shape (S, 2, F, N)
        Output, for the frames from start on; the sum over S is Y.
    """
    n_sources, n_bins, n_frames = masks.shape
    v = np.empty((n_sources, n_frames))
    C, R = np.empty((n_sources, 4, n_frames)), np.empty((n_sources, 4, n_frames))
    for f in range(n_bins):
        left, right = Y[0, f], Y[1, f]
        for j in range(n_sources):
            mask, power, (c0, c1, cr, ci) = masks[j, f], v[j], (C[j, 0], C[j, 1], C[j, 2], C[j, 3])
            for t in range(n_frames):
                a, b = np.complex128(left[t]), np.complex128(right[t])
                p0, p1, cross = a.real**2 + a.imag**2, b.real**2 + b.imag**2, a * b.conjugate()
                m = np.float64(mask[t])
                power[t] = m * (p0 + p1) / 2
                c0[t], c1[t], cr[t], ci[t] = m * m * p0, m * m * p1, m * m * cross.real, m * m * cross.imag
        for i in range(n_iter + 1):
            for j in range(n_sources):
                _means(C[j], v[j], reach, R[j])
            for t in range(start if i == n_iter else 0, start + out.shape[3] if i == n_iter else n_frames):
                t0, t1, tr, ti = 0.0, 0.0, 0.0, 0.0
                for j in range(n_sources):
                    t0 += v[j, t] * R[j, 0, t]
                    t1 += v[j, t] * R[j, 1, t]
                    tr += v[j, t] * R[j, 2, t]
                    ti += v[j, t] * R[j, 3, t]
                least = _LEAST * (t0 + t1) + _TINY
                t0 += least
                t1 += least
                scale = 1 / (t0 * t1 - tr * tr - ti * ti)
                total = complex(tr, ti)
                a, b = np.complex128(left[t]), np.complex128(right[t])
                x0, x1 = scale * (t1 * a - total * b), scale * (t0 * b - total.conjugate() * a)
                for j in range(n_sources):
                    e0 = v[j, t] * R[j, 0, t] + least / n_sources
                    e1 = v[j, t] * R[j, 1, t] + least / n_sources
                    e = v[j, t] * complex(R[j, 2, t], R[j, 3, t])
                    s0, s1 = e0 * x0 + e * x1, e.conjugate() * x0 + e1 * x1
                    if i == n_iter:
                        out[j, 0, f, t - start], out[j, 1, f, t - start] = s0, s1
                    else:  # what is seen of the source, and E - E total^-1 E, what is not
                        g00, g01 = scale * (e0 * t1 - e * total.conjugate()), scale * (e * t0 - e0 * total)
                        g10 = scale * (e.conjugate() * t1 - e1 * total.conjugate())
                        g11 = scale * (e1 * t0 - e.conjugate() * total)
                        u0 = e0 - (g00 * e0 + g01 * e.conjugate()).real
                        u1 = e1 - (g10 * e + g11 * e1).real
                        u = e - (g00 * e + g01 * e1)
                        seen = s0 * s1.conjugate() + u
                        C[j, 0, t] = s0.real**2 + s0.imag**2 + u0
                        C[j, 1, t] = s1.real**2 + s1.imag**2 + u1
                        C[j, 2, t], C[j, 3, t] = seen.real, seen.imag


@jit
def _means(C, v, reach, R):
    """Average the covariances (4, T) of the frames within reach of each frame, over their powers (T,)."""
    n_frames = len(v)
    sums, power, highest = np.zeros(4), 0.0, 0.0
    for t in range(min(reach, n_frames)):
        power += v[t]
        for k in range(4):
            sums[k] += C[k, t]
    for t in range(n_frames):
        if t + reach < n_frames:
            power += v[t + reach]
            for k in range(4):
                sums[k] += C[k, t + reach]
        if t - reach - 1 >= 0:
            power -= v[t - reach - 1]
            for k in range(4):
                sums[k] -= C[k, t - reach - 1]
        highest = max(highest, power)
        power = max(power, 0.0)
        prior = _PRIOR / (2 * reach + 1) * power + _LEAST * highest + _TINY
        scale = 1 / (power + prior)
        R[0, t], R[1, t] = (max(sums[0], 0.0) + prior) * scale, (max(sums[1], 0.0) + prior) * scale
        R[2, t], R[3, t] = sums[2] * scale, sums[3] * scale
