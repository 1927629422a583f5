"""One frame of a stream: its stack and tracked atoms from what was heard before.

What was heard is kept as rows, twice, so that any span that ends now is one piece of memory: `at` is the row of the
frame in the first half.
"""

import numpy as np

from .._jit import jit
from .context import means_of_past, minima_of_past

_ZERO, _ONE = np.float32(0), np.float32(1)


@jit
def stack_frame(v, mask, bands, edges, heard, masked, at, spans, estimates, least_share, least_mean, stack, tracked):
    """Stack and tracked atoms of a frame, see `nmfaudio.denoising.unfolded.context`.

    Parameters
    ----------
    v : ndarray, shape (F,)
    mask : ndarray, shape (F,) or (0,)
        By the stage before, if there is one.
    bands : ndarray, shape (B, F)
    edges : ndarray, shape (B, 2), int64
        First bin of each band, and the one behind its last.
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
    v_bands = np.empty(len(bands), v.dtype)
    average(bands, edges, v, v_bands)
    _keep(V, at, v)
    _keep(V_bands, at, v_bands)
    smoothed, in_bands = np.empty((1, n_bins), v.dtype), np.empty(len(bands), v.dtype)
    means_of_past(V, now, newest, smoothed)
    average(bands, edges, smoothed[0], in_bands)
    _keep(smooth, at, smoothed[0])
    _keep(smooth_bands, at, in_bands)

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
        average(bands, edges, v_noise, in_bands)
        _keep(noise, at, v_noise)
        _keep(shares, at, share)
        _keep(noise_bands, at, in_bands)
        _keep(speech_bands, at, np.maximum(v_bands - in_bands, _ZERO))
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
        average(bands, edges, atoms[j], tracked[j, n_bins:])


@jit
def average(bands, edges, x, out):
    """``bands @ x``; arguments as in :func:`stack_frame`."""
    for b in range(len(out)):
        total = _ZERO
        for f in range(edges[b, 0], edges[b, 1]):
            total += bands[b, f] * x[f]
        out[b] = total


@jit
def _keep(rows, at, row):
    rows[at] = row
    rows[at + len(rows) // 2] = row
