"""Samples that are lost or clipped: the likeliest ones under Gaussian frames whose variances are an NMF."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from ..errors import NmfaudioError
from ..nmf.spatial_nmf import spatial_nmf
from ..spectra.stft import STFT

_SHORTEST_WINDOW_S, _LONGEST_WINDOW_S, _WINDOWS_PER_GAP = 0.064, 0.256, 3.2
_PIECE_S, _MARGIN_S = 20.0, 1.0
_N_COMPONENTS, _PENALTY = 40, 0.1
_N_STEPS = 60
_LEAST_VARIANCE = 1e-4  # of the mean of the frame
_LOST = 0.3  # share of a frame's energy that may be missing before the frame says nothing


def restore_samples(
    y: ArrayLike, sr: float, missing: ArrayLike, *, clipped: bool = False, n_iter: int = 2
) -> NDArray[np.floating]:
    """Replace samples by what is likeliest between all the others.

    Frames are Gaussian with the variance ``v(f, n)``, an NMF of the recording's own spectrogram. The lost samples are
    those that minimise ``sum |X(f, n)|^2 / v(f, n)`` over all overlapping frames (conjugate gradients); the NMF and the
    samples are improved in turn. This is the model of Bilen, Ozerov and Pérez, "Audio declipping via nonnegative
    matrix factorization" (2015), with the frames bound together by their overlap.

    Parameters
    ----------
    y : array_like
        Signal, shape (samples,) or (channels, samples).
    sr : float
        Sampling rate in Hz.
    missing : array_like of bool
        Which samples to replace, shape (samples,) or that of y; what y holds there counts only if `clipped`.
    clipped : bool
        The samples are known to be at least as far from zero as they are in y.
    n_iter : int
        Times that the NMF and the samples are improved.

    Returns
    -------
    ndarray, shape of y
        Equal to y where nothing is missing.

    Raises
    ------
    NmfaudioError
        If `missing` does not fit y, or holds all of it.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(0.05 * np.arange(8000))
    >>> missing = np.zeros(8000, bool)
    >>> missing[4000:4160] = True
    >>> restored = restore_samples(np.where(missing, 0, y), 8000, missing)
    >>> bool(np.abs(restored - y).max() < 0.2)
    True
    """
    from ..audio import as_signal

    y = as_signal(y)
    missing = np.asarray(missing, bool)
    if missing.shape not in (y.shape, y.shape[-1:]):
        raise NmfaudioError(f"missing has shape {missing.shape}, but the signal {y.shape}")
    missing = np.broadcast_to(missing, y.shape)
    if missing.all(axis=-1).any():
        raise NmfaudioError("every sample of the signal, or of a channel, is missing: there is nothing to go by")
    x, lost = np.atleast_2d(y).copy(), np.atleast_2d(missing)
    margin, start = int(_MARGIN_S * sr), 0
    while start < x.shape[-1]:
        stop = min(start + int(_PIECE_S * sr), x.shape[-1])
        while stop < x.shape[-1] and lost[:, stop].any():  # no seam inside a gap
            stop += 1
        if lost[:, start:stop].any():
            first, last = max(0, start - margin), stop + margin
            piece = _restored(x[:, first:last], sr, lost[:, first:last], clipped, n_iter)
            x[:, start:stop] = piece[:, start - first : stop - first]
        start = stop
    return x.reshape(y.shape)


def _restored(y: np.ndarray, sr: float, missing: np.ndarray, clipped: bool, n_iter: int) -> np.ndarray:
    longest = max(np.diff(np.flatnonzero(np.pad(~channel, 1, constant_values=True))).max() - 1 for channel in missing)
    window_s = float(np.clip(_WINDOWS_PER_GAP * longest / sr, _SHORTEST_WINDOW_S, _LONGEST_WINDOW_S))
    stft = STFT.for_rate(sr, window_s, window_s / 4)
    x = y if clipped else np.where(missing, 0, y)
    magnitudes = np.abs(stft(x)) if clipped else _bridged(x, missing, stft)
    for _ in range(n_iter):
        variances = spatial_nmf(magnitudes, n_free=_N_COMPONENTS, penalty=_PENALTY).estimate() ** 2
        least = _LEAST_VARIANCE * variances.mean(axis=-2, keepdims=True) + np.finfo(y.dtype).tiny
        variances = np.maximum(variances, least)
        x = _likeliest(x, missing, variances, stft)
        if clipped:  # samples that would fall short of their limit stay there, and the others are asked again
            x = _beyond(x, y)
            x = _beyond(_likeliest(x, missing & (x != y), variances, stft), y)
        magnitudes = np.abs(stft(x))
    return x


def _beyond(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Samples of x, but those of y where these are farther from zero on the same side."""
    return np.where(y > 0, np.maximum(x, y), np.minimum(x, y))


def _bridged(y: np.ndarray, missing: np.ndarray, stft: STFT) -> np.ndarray:
    """Magnitudes of y, interpolated geometrically over frames of which much is missing."""
    magnitudes = np.abs(stft(y))
    n_frames, w = magnitudes.shape[-1], stft.analysis_window
    padded = np.zeros((len(y), n_frames * stft.hop_length + stft.overlap), y.dtype)
    padded[:, stft.overlap : stft.overlap + y.shape[-1]] = missing
    share = sliding_window_view(padded, len(w), axis=-1)[:, :: stft.hop_length] @ (w**2 / (w**2).sum())
    for channel, lost in zip(magnitudes, share, strict=True):
        heard = np.flatnonzero(lost < _LOST)
        if len(heard):
            logs = np.log(channel[:, heard] + 1e-6 * channel.max() + np.finfo(y.dtype).tiny)
            place = np.interp(np.flatnonzero(lost >= _LOST), heard, np.arange(len(heard)))
            before = place.astype(int)
            part = (place - before).astype(y.dtype)
            after = np.minimum(before + 1, len(heard) - 1)
            channel[:, lost >= _LOST] = np.exp((1 - part) * logs[:, before] + part * logs[:, after])
    return magnitudes


def _likeliest(x: np.ndarray, missing: np.ndarray, variances: np.ndarray, stft: STFT) -> np.ndarray:
    """Minimise ``sum |X|^2 / v`` over the missing samples by conjugate gradients from x."""
    length, precision = x.shape[-1], 1 / variances

    def curvature(z: np.ndarray) -> np.ndarray:
        return missing * stft.synthesis(precision * stft(z), length)

    def preconditioned(r: np.ndarray) -> np.ndarray:
        return missing * stft.synthesis(variances * stft(r), length)

    r = -curvature(x)
    step = z = preconditioned(r)
    slope = first = np.vdot(r, z)
    for _ in range(_N_STEPS):
        if slope <= 1e-8 * first:
            break
        curve = curvature(step)
        size = slope / np.vdot(step, curve)
        x, r = x + size * step, r - size * curve
        z = preconditioned(r)
        slope, before = np.vdot(r, z), slope
        step = z + slope / before * step
    return x
