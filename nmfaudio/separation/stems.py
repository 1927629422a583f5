"""Stems of sources from estimates of their powers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..spectra.phase import signals_of, wiener_masks
from ..spectra.stft import STFT
from .multichannel import multichannel_wiener


def stems(
    powers: NDArray[np.floating],
    present: NDArray[np.bool_],
    Y: NDArray[np.complexfloating],
    stft: STFT,
    length: int,
    phase: str,
) -> NDArray[np.floating]:
    """Filter a mixture into the signals of its sources.

    Parameters
    ----------
    powers : ndarray, shape (J, C, F, N)
        Estimates for the lowest F bins. In the bins above, each frame has the mean mask of the top quarter.
    present : ndarray, shape (J, bins, N)
        True where each source may sound.
    Y : ndarray, shape (C, bins, N)
        Spectrum of the mixture.
    stft : STFT
        Transform of the mixture.
    length : int
        Samples of the mixture.
    phase : str
        Method for the phases, as for `Separator`.

    Returns
    -------
    ndarray, shape (J, C, length)
    """
    n_bins = powers.shape[2]
    if n_bins < Y.shape[1]:
        top = wiener_masks(powers)[:, :, -(n_bins // 4) :].mean(axis=2, keepdims=True)
        powers = np.concatenate([powers, top * np.abs(Y[:, n_bins:]) ** 2], axis=2)
    least = powers.max(initial=0) * powers.dtype.type(1e-12)  # the rest goes to sources that may sound
    powers = (powers + least) * present[:, None]
    if phase == "spatial":
        return stft.synthesis(multichannel_wiener(powers, Y), length)
    return signals_of(powers, Y, stft, length, phase)
