"""Unfolded updates of a block of frames, in single precision; matrix products stand between these loops.

Frames are columns, as in V, so that the inner loops run over frames. :mod:`nmfaudio.kernels.unfolded.frame` does the
same for one frame, :mod:`nmfaudio.kernels.unfolded.gradient` for training. The equations (1) to (7) are those of
:mod:`nmfaudio.unfolded.updates`. A stacked frame has parts of ``F`` rows of the spectrogram each and below
them parts of ``B`` bands each; the tracked atoms are stored once in rows and once in bands, which repeat down the
stack.
"""

import numpy as np

from .._jit import jit
from ..elementary import exp2, log2
from .limits import EPS, LEAST, MOST_LOG2, TINY

_ONE = np.float32(1)


@jit
def ratio_block(stack, model_then_ratio, tracked, layers, i, a, height, numerator, denominator):
    """Turn the model of a block into the ratio q of equations (1) and (2).

    Parameters
    ----------
    stack : ndarray, shape (D, T)
    model_then_ratio : ndarray, shape (D, T)
        On entry ``W h``, on return q.
    tracked : ndarray, shape (J, F + B, T)
        Atoms A of each frame.
    layers : Layers
        See :class:`nmfaudio.unfolded.weights.Layers`.
    i : int
        Layer to use.
    a : ndarray, shape (J, T)
        Activations of the tracked atoms.
    height : int
        Number of rows of the spectrogram, F.
    numerator, denominator : ndarray, shape (J, T)
        Outputs: ``(G * A)' q`` and ``(G * A)' c`` of equation (4).
    """
    weights, gains, folded = layers.weights[i], layers.gains[i], layers.folded[i]
    n_tracked, n_sources, n_frames = tracked.shape
    n_bands = n_sources - height
    n_padded = max(3, -(-n_tracked // 3) * 3)  # three at a time, the last with the quotient: few passes
    last = n_padded - 3
    scaled, sums = np.zeros((n_padded, n_frames), stack.dtype), np.empty((n_padded, n_frames), stack.dtype)
    gain = np.zeros(n_padded, stack.dtype)
    numerator[:] = 0
    denominator[:] = 0
    for b in range(n_sources):  # all rows of the stack that share row b of the tracked atoms
        for j in range(n_tracked):
            atom, activation, scaled_atom = tracked[j, b], a[j], scaled[j]
            for t in range(n_frames):
                scaled_atom[t] = activation[t] * atom[t]
        sums[:] = 0
        if b < height:
            first, stop, step = b, layers.n_full, height
        else:
            first, stop, step = layers.n_full + b - height, len(stack), n_bands
        for d in range(first, stop, step):
            v, r, c = stack[d], model_then_ratio[d], weights[d]
            for j in range(n_tracked):
                gain[j] = gains[j, d]
            for j in range(0, last, 3):
                gain0, gain1, gain2 = gain[j], gain[j + 1], gain[j + 2]
                scaled0, scaled1, scaled2 = scaled[j], scaled[j + 1], scaled[j + 2]
                for t in range(n_frames):
                    r[t] += gain0 * scaled0[t] + gain1 * scaled1[t] + gain2 * scaled2[t]
            gain0, gain1, gain2 = gain[last], gain[last + 1], gain[last + 2]
            scaled0, scaled1, scaled2 = scaled[last], scaled[last + 1], scaled[last + 2]
            sum0, sum1, sum2 = sums[last], sums[last + 1], sums[last + 2]
            for t in range(n_frames):
                q = c * v[t] / (r[t] + (gain0 * scaled0[t] + gain1 * scaled1[t] + gain2 * scaled2[t]) + EPS)
                r[t] = q
                sum0[t] += gain0 * q
                sum1[t] += gain1 * q
                sum2[t] += gain2 * q
            for j in range(0, last, 3):
                gain0, gain1, gain2 = gain[j], gain[j + 1], gain[j + 2]
                sum0, sum1, sum2 = sums[j], sums[j + 1], sums[j + 2]
                for t in range(n_frames):
                    q = r[t]
                    sum0[t] += gain0 * q
                    sum1[t] += gain1 * q
                    sum2[t] += gain2 * q
        for j in range(n_tracked):
            atom, total, num, den, weight = tracked[j, b], sums[j], numerator[j], denominator[j], folded[j, b]
            for t in range(n_frames):
                num[t] += total[t] * atom[t]
                den[t] += weight * atom[t]


@jit
def relaxed(h, numerator, scale, relaxation):
    """Update one activation as :func:`relaxed_update` does; the denominator is ``1 / scale``."""
    ratio = numerator * scale
    return h * exp2(min(max(relaxation * log2(LEAST if ratio < LEAST else ratio), -MOST_LOG2), MOST_LOG2))


@jit
def relaxed_update(H, numerator, denominator, relaxation):
    """Multiply H by ``(numerator / denominator)^relaxation``, row by row: equation (3).

    Parameters
    ----------
    H : ndarray, shape (K, T)
        Activations, changed in place.
    numerator : ndarray, shape (K, T)
    denominator, relaxation : ndarray, shape (K,)
    """
    for k in range(H.shape[0]):
        h, num, scale, power = H[k], numerator[k], _ONE / denominator[k], relaxation[k]
        for t in range(H.shape[1]):
            h[t] = relaxed(h[t], num[t], scale, power)


@jit
def masks_block(parts, tracked, a, sources):
    """Add the tracked atoms to all sources and turn the parts into masks: equations (5) to (7).

    Parameters
    ----------
    parts : ndarray, shape (S, F, T)
        On entry ``W_i h``, on return the masks.
    tracked : ndarray, shape (J, at least F, T)
    a : ndarray, shape (J, T)
    sources : Sources
        See :class:`nmfaudio.unfolded.weights.Sources`.
    """
    n_sources, n_bins, n_frames = parts.shape
    scaled, total = np.empty(n_frames, parts.dtype), np.empty(n_frames, parts.dtype)
    for f in range(n_bins):
        for j in range(len(tracked)):
            atom, activation = tracked[j, f], a[j]
            for t in range(n_frames):
                scaled[t] = activation[t] * atom[t]
            for i in range(n_sources):
                part, gain = parts[i, f], sources.gains[i, j, f]
                for t in range(n_frames):
                    part[t] += gain * scaled[t]
        total[:] = 0
        for i in range(n_sources):
            part = parts[i, f]
            for t in range(n_frames):
                part[t] = max(part[t], TINY)
                total[t] += part[t]
        for t in range(n_frames):
            scaled[t], total[t] = _ONE / total[t], 0
        for i in range(n_sources):
            part, power = parts[i, f], sources.power[f]
            for t in range(n_frames):
                part[t] = exp2(power * log2(max(part[t] * scaled[t], TINY)))
                total[t] += part[t]
        for i in range(n_sources):
            part = parts[i, f]
            for t in range(n_frames):
                part[t] /= total[t]
