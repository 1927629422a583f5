"""From estimates of the sources' powers to their stems."""

from __future__ import annotations

import numpy as np

from ..spectra.phase import signals_of, wiener_masks
from ..spectra.stft import STFT
from .multichannel import multichannel_wiener


def stems(powers: np.ndarray, present: np.ndarray, Y: np.ndarray, stft: STFT, length: int, phase: str) -> np.ndarray:
    """Signals of sources, shape (J, C, length).

    Parameters
    ----------
    powers : ndarray, shape (J, C, F, N)
        Estimates for the lowest F bins; those above get the mean share of the top quarter, frame by frame.
    present : ndarray, shape (J, bins, N)
        Where each source may be heard.
    Y : ndarray, shape (C, bins, N)
        Spectrum of the mixture.
    stft : STFT
    length : int
        Samples.
    phase : str
        As for `Separator`.
    """
    n_bins = powers.shape[2]
    if n_bins < Y.shape[1]:
        top = wiener_masks(powers)[:, :, -(n_bins // 4) :].mean(axis=2, keepdims=True)
        powers = np.concatenate([powers, top * np.abs(Y[:, n_bins:]) ** 2], axis=2)
    least = powers.max(initial=0) * powers.dtype.type(1e-12)  # what nobody explains goes to those who may be there
    powers = (powers + least) * present[:, None]
    if phase == "spatial":
        return stft.synthesis(multichannel_wiener(powers, Y), length)
    return signals_of(powers, Y, stft, length, phase)
