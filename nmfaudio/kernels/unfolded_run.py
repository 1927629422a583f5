"""Unfolded updates at run time, in single precision: blocks of frames around matrix products, and one frame at once.

Frames are columns here, as in V, so that the inner loops run over frames, or over the atoms where there is one frame.
The stack of a frame is its ``F`` bins and below them parts of ``B`` bands each; the tracked atoms are given once in
bins and once in bands, and the bands repeat down the stack.
"""

import numpy as np

from ._jit import jit
from .elementary import exp2, log2

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
def _relaxed(h, p, scale, relaxation, least, most):
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
            h[t] = _relaxed(h[t], p[t], scale, g, least, most)


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


@jit
def update_frame(
    W, against, h, v, tracked, gains, folded, a, weights, n_bins, eps,
    denominator, relaxation, tracked_penalty, least, most
):  # fmt: skip
    """Update the activations h and a of one frame; each row of W is read once for both products.

    Parameters
    ----------
    W : ndarray, shape (D, K)
    against : ndarray, shape (D, K) or (0, K)
        How much each row speaks against each atom.
    h : ndarray, shape (K,)
        Changed in place.
    v : ndarray, shape (D,)
        Stack of the frame.
    tracked : ndarray, shape (J, F + B)
    a : ndarray, shape (J,)
        Changed in place.
    gains, folded, weights, n_bins, eps
        As in :func:`explain_block`.
    denominator, relaxation, least, most
        As in :func:`relaxed_update`.
    tracked_penalty : ndarray, shape (J,)
    """
    n_rows, n_atoms = W.shape
    n_bands = tracked.shape[1] - n_bins
    zero = W.dtype.type(0)
    model, p = np.empty(n_rows, W.dtype), np.zeros(n_atoms, W.dtype)
    model[:] = eps
    for j in range(len(tracked)):
        start, stop = 0, n_bins
        while start < n_rows:
            atom = tracked[j, :n_bins] if start == 0 else tracked[j, n_bins:]
            g, r = gains[j, start:stop], model[start:stop]
            for d in range(stop - start):
                r[d] += a[j] * g[d] * atom[d]
            start, stop = stop, stop + n_bands
    d = 0
    while d < n_rows:  # four rows at a time, which share the reads of h and p
        last = n_rows - 1
        w0, w1, w2, w3 = W[d], W[min(d + 1, last)], W[min(d + 2, last)], W[min(d + 3, last)]
        r0, r1, r2, r3 = zero, zero, zero, zero
        for k in range(n_atoms):
            x = h[k]
            r0 += w0[k] * x
            r1 += w1[k] * x
            r2 += w2[k] * x
            r3 += w3[k] * x
        model[d] = weights[d] * v[d] / (model[d] + r0)
        q0, q1, q2, q3 = model[d], zero, zero, zero
        if d + 1 < n_rows:
            q1 = weights[d + 1] * v[d + 1] / (model[d + 1] + r1)
            model[d + 1] = q1
        if d + 2 < n_rows:
            q2 = weights[d + 2] * v[d + 2] / (model[d + 2] + r2)
            model[d + 2] = q2
        if d + 3 < n_rows:
            q3 = weights[d + 3] * v[d + 3] / (model[d + 3] + r3)
            model[d + 3] = q3
        for k in range(n_atoms):
            p[k] += w0[k] * q0 + w1[k] * q1 + w2[k] * q2 + w3[k] * q3
        d += 4
    opposed = denominator.copy()
    for d in range(len(against)):
        q, row = model[d], against[d]
        for k in range(n_atoms):
            opposed[k] += q * row[k]
    for k in range(n_atoms):
        h[k] = _relaxed(h[k], p[k], _ONE / opposed[k], relaxation[k], least, most)
    for j in range(len(tracked)):
        start, stop, num, den = 0, n_bins, zero, tracked_penalty[j]
        while start < n_rows:
            atom = tracked[j, :n_bins] if start == 0 else tracked[j, n_bins:]
            g, q = gains[j, start:stop], model[start:stop]
            for d in range(stop - start):
                num += q[d] * g[d] * atom[d]
            start, stop = stop, stop + n_bands
        for b in range(tracked.shape[1]):
            den += folded[j, b] * tracked[j, b]
        a[j] *= num / den
