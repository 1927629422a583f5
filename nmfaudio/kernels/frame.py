"""One frame of a stream: its stack and tracked atoms from what was heard before, and the shares of its sources.

What was heard is kept as rows, twice, so that any span that ends now is one piece of memory: `at` is the row of the
frame in the first half.
"""

import numpy as np

from ._jit import jit
from .elementary import exp2, log2
from .spans import means_of_past, minima_of_past

_ZERO, _ONE = np.float32(0), np.float32(1)


@jit
def stack_frame(v, mask, bands, heard, masked, at, spans, estimates, least_share, least_mean, stack, tracked):
    """Stack and tracked atoms of a frame, see `nmfaudio.decompose.context`.

    Parameters
    ----------
    v : ndarray, shape (F,)
    mask : ndarray, shape (F,) or (0,)
        By the stage before, if there is one.
    bands : ndarray, shape (B, F)
    heard : tuple of ndarray, shapes (2 n, F), (2 n, B), (2 n, F), (2 n, B)
        Last n frames, in bins and in bands, and both smoothed; this one is added.
    masked : tuple of ndarray, shapes (2 n, F), (2 n, F), (2 n, B), (2 n, B)
        Noise and its share by the stage before, and noise and speech in bands; this one is added if there is a mask.
    at : int
    spans : tuple of ndarray, shape (S, 2), int64
        To smooth, and of means, minima, speech_means, noise_means, floors and noise_spectra.
    estimates : bool
    least_share, least_mean : float
    stack : ndarray, shape (D,)
        Output.
    tracked : ndarray, shape (J, F + B)
        Output.
    """
    V, V_bands, smooth, smooth_bands = heard
    newest, means, minima, speech_means, noise_means, floors, noise_spectra = spans
    n_bins, now = len(v), at + len(V) // 2
    v_bands = np.dot(bands, v)
    _keep(V, at, v)
    _keep(V_bands, at, v_bands)
    average = np.empty((1, n_bins), v.dtype)
    means_of_past(V, now, newest, average)
    _keep(smooth, at, average[0])
    _keep(smooth_bands, at, np.dot(bands, average[0]))

    parts = stack[n_bins:].reshape(-1, len(bands))
    atoms = np.empty((len(tracked), n_bins), v.dtype)
    i, j = len(means), len(floors)
    stack[:n_bins] = v
    means_of_past(V_bands, now, means, parts[:i])
    minima_of_past(smooth_bands, now, minima, parts[i : i + len(minima)])
    minima_of_past(smooth, now, floors, atoms[:j])
    i += len(minima)
    if len(mask):
        noise, shares, noise_bands, speech_bands = masked
        share = _ONE - mask
        v_noise = v * share
        v_noise_bands = np.dot(bands, v_noise)
        _keep(noise, at, v_noise)
        _keep(shares, at, share)
        _keep(noise_bands, at, v_noise_bands)
        _keep(speech_bands, at, np.maximum(v_bands - v_noise_bands, _ZERO))
        means_of_past(speech_bands, now, speech_means, parts[i : i + len(speech_means)])
        means_of_past(noise_bands, now, noise_means, parts[i + len(speech_means) :])
        spectra = atoms[j : j + len(noise_spectra)]
        amounts = np.empty_like(spectra)
        means_of_past(noise, now, noise_spectra, spectra)
        means_of_past(shares, now, noise_spectra, amounts)
        spectra /= amounts + least_share
        if estimates:
            atoms[-2] = v * mask
            atoms[-1] = v_noise

    scale = _ONE / max(stack.sum() / v.dtype.type(len(stack)), least_mean)
    stack *= scale
    for j in range(len(atoms)):
        atoms[j] *= scale
        tracked[j, :n_bins] = atoms[j]
        tracked[j, n_bins:] = np.dot(bands, atoms[j])


@jit
def _keep(rows, at, row):
    rows[at] = row
    rows[at + len(rows) // 2] = row


@jit
def shares_frame(S, N, tracked, a, speech_gains, noise_gains, power, tiny):
    """:func:`nmfaudio.kernels.unfolded_run.shares` of one frame.

    Parameters
    ----------
    S, N : ndarray, shape (F,)
    tracked : ndarray, shape (J, at least F)
    a : ndarray, shape (J,)
    speech_gains, noise_gains : ndarray, shape (J, F)
    power : ndarray, shape (F,)
    tiny : float
    """
    for j in range(len(tracked)):
        atom, g, h, scale = tracked[j], speech_gains[j], noise_gains[j], a[j]
        for f in range(len(S)):
            part = scale * atom[f]
            S[f] += g[f] * part
            N[f] += h[f] * part
    for f in range(len(S)):
        x, y, p = max(S[f], tiny), max(N[f], tiny), power[f]
        scale = _ONE / (x + y)
        S[f] = exp2(p * log2(max(x * scale, tiny)))
        N[f] = exp2(p * log2(max(y * scale, tiny)))
