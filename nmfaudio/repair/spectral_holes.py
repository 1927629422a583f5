"""Repair of holes in the spectrogram: magnitudes by NMF with missing entries, phases by Griffin and Lim."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..audio import as_signal
from ..errors import NmfaudioError
from ..nmf.spatial_nmf import spatial_nmf
from ..spectra.phase import griffin_lim
from ..spectra.regions import region
from ..spectra.stft import STFT

_WINDOW_S, _HOP_S = 0.064, 0.016
_N_COMPONENTS, _PENALTY, _EXPONENT = 30, 0.1, 0.5
_N_STEPS = 30


def fill_regions(
    y: ArrayLike, sr: float, regions: Iterable[Sequence[float]], *, random_state: int = 0
) -> NDArray[np.floating]:
    """Fill holes in the spectrogram from a model of the rest of the recording.

    An NMF is fitted to the entries outside the holes; its values inside are the new magnitudes. Their phases are
    chosen so that overlapping frames agree (Griffin and Lim); the spectrum outside the holes stays as it is.

    Parameters
    ----------
    y : array_like, shape (samples,) or (channels, samples)
        Signal.
    sr : float
        Sampling rate in Hz.
    regions : iterable of sequence of float
        Holes, each (start_s, stop_s) or (start_s, stop_s, low_hz, high_hz).
    random_state : int
        Seed of the NMF and of the phases.

    Returns
    -------
    ndarray, shape of y

    Raises
    ------
    NmfaudioError
        If y is no such signal, a region is no range or outside the recording, or nothing is left outside the holes.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(0.5 * np.arange(16000)) + np.sin(0.9 * np.arange(16000))
    >>> filled = fill_regions(y, 8000, [(0.5, 0.6, 1000, 1500)])
    >>> filled.shape
    (16000,)
    """
    y = as_signal(y)
    stft = STFT.for_rate(sr, _WINDOW_S, _HOP_S)
    Y = stft(np.atleast_2d(y))
    holes = np.zeros(Y.shape[1:], bool)
    for numbers in regions:
        hole = region(numbers, stft, y.shape[-1], sr)
        if not hole.any():
            end_s, frame_s, bin_hz = y.shape[-1] / sr, stft.hop_length / sr, sr / stft.n_fft
            raise NmfaudioError(
                f"nothing to fill in {list(numbers)}: the recording ends at {end_s:g} s and {sr / 2:g} Hz, "
                f"and a hole has at least {frame_s:.3g} s and {bin_hz:.3g} Hz"
            )
        holes |= hole
    if holes.all():
        raise NmfaudioError("the holes leave nothing of the spectrogram to fill them from: give smaller ones")
    return fill(Y, np.broadcast_to(holes, Y.shape), stft, y.shape[-1], random_state).reshape(y.shape)


def fill(
    Y: NDArray[np.complexfloating], holes: NDArray[np.bool_], stft: STFT, length: int, random_state: int
) -> NDArray[np.floating]:
    """Fill the holes of a spectrum and transform it back.

    Parameters
    ----------
    Y : ndarray, shape (C, F, N)
        Spectrum; its values in the holes are ignored.
    holes : ndarray of bool, shape (C, F, N)
        True for entries to fill.
    stft : STFT
        Transform of the spectrum.
    length : int
        Samples of the signal.
    random_state : int
        Seed of the NMF and of the phases.

    Returns
    -------
    ndarray, shape (C, length)
    """
    dtype = Y.real.dtype
    V = np.where(holes, 0, np.abs(Y)) ** dtype.type(_EXPONENT)
    certain = (~holes).astype(dtype)
    found = spatial_nmf(V, n_free=_N_COMPONENTS, penalty=_PENALTY, weights=certain, random_state=random_state)
    magnitudes = found.estimate() ** dtype.type(1 / _EXPONENT)
    turns = np.exp(2j * np.pi * np.random.default_rng(random_state).random(Y.shape, dtype))
    X = np.where(holes, magnitudes * turns, Y).astype(Y.dtype)
    return griffin_lim(magnitudes, X, stft, length, _N_STEPS, fixed=~holes)
