"""Stack and tracked atoms of one frame of a stream, computed from the frames before it.

Each past frame is a row, and is stored twice, so that any span that ends now is one piece of memory: `at` is the row
of the current frame in the first half.
"""

from typing import NamedTuple

import numpy as np

from .._jit import jit
from .context import means_of_past, minima_of_past
from .limits import LEAST_MEAN, LEAST_SHARE

_ZERO, _ONE = np.float32(0), np.float32(1)


class History(NamedTuple):
    """Last n frames, each stored twice: arrays of shape (2 n, F) or (2 n, B); those of a mask are empty without one."""

    noisy: np.ndarray
    noisy_bands: np.ndarray
    smooth: np.ndarray
    smooth_bands: np.ndarray
    noise: np.ndarray
    noise_share: np.ndarray
    noise_bands: np.ndarray
    speech: np.ndarray
    speech_bands: np.ndarray


class Layout(NamedTuple):
    """Spans and place of each part that a causal context can have.

    Arrays of shape (S, 3), int64: first and last frame of each span, relative to the current one, and the first row of
    the part in the stack, or its first number among the tracked atoms. See :class:`nmfaudio.unfolded.context.Part`.
    """

    speech_frames: np.ndarray
    noise_frames: np.ndarray
    means: np.ndarray
    minima: np.ndarray
    speech_means: np.ndarray
    noise_means: np.ndarray
    periodic: np.ndarray
    floors: np.ndarray
    noise_spectra: np.ndarray
    harmonic: np.ndarray
    speech_estimate: np.ndarray
    noise_estimate: np.ndarray


@jit
def stack_frame(v, mask, periodic, harmonic, bands, edges, smooth_span, layout, history, at, stack, tracked):
    """Compute the stack and the tracked atoms of a frame, see :mod:`nmfaudio.denoising.unfolded.context`.

    Parameters
    ----------
    v : ndarray, shape (F,)
    mask : ndarray, shape (F,), or None
        Share of speech by the stage before; None in a first stage.
    periodic, harmonic : ndarray, shape (F,)
        Periodic part of the frame, and the part of it that lies on the harmonics; of any length without a pitch.
    bands : ndarray, shape (B, F)
    edges : ndarray, shape (B, 2), int64
        First bin of each band, and the one after its last.
    smooth_span : ndarray, shape (1, 2), int64
        Frames to average before a minimum.
    layout : Layout
    history : History
        This frame is added.
    at : int
        Row of this frame.
    stack : ndarray, shape (D,)
        Output.
    tracked : ndarray, shape (J, F + B)
        Output.
    """
    height, n_bands, now = len(v), len(bands), at + len(history.noisy) // 2
    v_bands, in_bands = np.empty(n_bands, v.dtype), np.empty(n_bands, v.dtype)
    average(bands, edges, v, v_bands)
    _keep(history.noisy, at, v)
    _keep(history.noisy_bands, at, v_bands)
    smoothed = np.empty((1, height), v.dtype)
    means_of_past(history.noisy, now, smooth_span, smoothed)
    average(bands, edges, smoothed[0], in_bands)
    _keep(history.smooth, at, smoothed[0])
    _keep(history.smooth_bands, at, in_bands)

    atoms = np.empty((len(tracked), height), v.dtype)
    stack[:height] = v
    means_of_past(history.noisy_bands, now, layout.means, _part(stack, layout.means, n_bands))
    minima_of_past(history.smooth_bands, now, layout.minima, _part(stack, layout.minima, n_bands))
    minima_of_past(history.smooth, now, layout.floors, _atoms(atoms, layout.floors))
    if mask is not None:
        share = _ONE - mask
        v_noise = v * share
        average(bands, edges, v_noise, in_bands)
        _keep(history.noise, at, v_noise)
        _keep(history.noise_share, at, share)
        _keep(history.noise_bands, at, in_bands)
        v_speech = v - v_noise
        _keep(history.speech, at, v_speech)
        _keep(history.speech_bands, at, np.maximum(v_bands - in_bands, _ZERO))
        means_of_past(history.speech, now, layout.speech_frames, _part(stack, layout.speech_frames, height))
        means_of_past(history.noise, now, layout.noise_frames, _part(stack, layout.noise_frames, height))
        means_of_past(history.speech_bands, now, layout.speech_means, _part(stack, layout.speech_means, n_bands))
        means_of_past(history.noise_bands, now, layout.noise_means, _part(stack, layout.noise_means, n_bands))
        spectra = _atoms(atoms, layout.noise_spectra)
        shares = np.empty_like(spectra)
        means_of_past(history.noise, now, layout.noise_spectra, spectra)
        means_of_past(history.noise_share, now, layout.noise_spectra, shares)
        spectra /= shares + LEAST_SHARE
        _atoms(atoms, layout.speech_estimate)[:] = v_speech
        _atoms(atoms, layout.noise_estimate)[:] = v_noise

    if len(layout.periodic):
        average(bands, edges, periodic, _part(stack, layout.periodic, n_bands)[0])
        _atoms(atoms, layout.harmonic)[0] = harmonic

    scale = _ONE / max(stack.sum() / v.dtype.type(len(stack)), LEAST_MEAN)
    stack *= scale
    for j in range(len(atoms)):
        atoms[j] *= scale
        tracked[j, :height] = atoms[j]
        average(bands, edges, atoms[j], tracked[j, height:])


@jit
def average(bands, edges, x, out):
    """Write ``bands @ x`` to `out`; the parameters are those of :func:`stack_frame`."""
    for b in range(len(out)):
        total = _ZERO
        for f in range(edges[b, 0], edges[b, 1]):
            total += bands[b, f] * x[f]
        out[b] = total


@jit
def _part(stack, part, size):
    """Return the rows of a part, shape (S, size), as a view."""
    start = part[0, 2] if len(part) else 0
    return stack[start : start + len(part) * size].reshape(len(part), size)


@jit
def _atoms(atoms, part):
    """Return the tracked atoms of a part, shape (S, F), as a view."""
    start = part[0, 2] if len(part) else 0
    return atoms[start : start + len(part)]


@jit
def _keep(rows, at, row):
    rows[at] = row
    rows[at + len(rows) // 2] = row
