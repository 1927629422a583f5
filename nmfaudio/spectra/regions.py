"""Regions of a spectrogram from times and frequencies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arguments import shown
from ..errors import NmfaudioError
from .stft import STFT


def region(
    numbers: Sequence[float], stft: STFT, length: int, sr: float, first: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the bins (F,) and the frames (N,), bool, of a region of a spectrogram: those with their centres in it.

    Parameters
    ----------
    numbers : sequence of float
        (start_s, stop_s) or (start_s, stop_s, low_hz, high_hz).
    stft : STFT
    length : int
    sr : float
    first : int
        Number of the first sample, if the signal is a piece of a recording.

    Raises
    ------
    NmfaudioError
        If the numbers are no such ranges.
    """
    try:
        start_s, stop_s, low_hz, high_hz = (*map(float, numbers), *(0.0, np.inf)[2 * (len(numbers) > 2) :])
    except (OverflowError, TypeError, ValueError):
        start_s = stop_s = low_hz = high_hz = np.nan
    if not (start_s < stop_s and low_hz <= high_hz):
        raise NmfaudioError(
            f"{shown(numbers)} is no range: give [start_s, stop_s] or [start_s, stop_s, low_hz, high_hz]"
        )
    middles = (np.arange(stft.n_frames(length)) + 1) * stft.hop_length - len(stft.analysis_window) / 2
    times_s = (first + np.clip(middles, 0, length - 1)) / sr  # frames that reach beyond an end belong to that end
    bins_hz = np.arange(stft.n_bins) * sr / stft.n_fft
    return (bins_hz >= low_hz) & (bins_hz <= high_hz), (times_s >= start_s) & (times_s < stop_s)
