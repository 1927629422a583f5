"""Pictures of sounds and dictionaries: matplotlib axes in, axes out, as `librosa.display` does.

Both colour maps grow steadily in lightness, so that they read alike in grey and to colour-blind eyes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .audio import as_signal
from .errors import NmfaudioError
from .stft import STFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["atomshow", "compare", "gainshow", "specshow"]

_LEVELS = "magma"
_GAINS = "gray"


def specshow(
    y: ArrayLike, sr: float, *, ax: Axes | None = None, range_db: float = 60.0, max_db: float | None = None
) -> Axes:
    """Draw the spectrogram of a signal.

    Parameters
    ----------
    y
        Signal, shape (..., samples); the power of its channels is averaged.
    sr
        Sampling rate in Hz.
    ax
        Where to draw; the current axes unless given.
    range_db
        Decibels from black to the brightest colour.
    max_db
        Level of the brightest colour, 0 dB being a sine of full scale; the signal's own highest unless given.

    Raises
    ------
    NmfaudioError
        If the signal is empty or matplotlib is missing.
    """
    level_db = _level_db(y, sr)
    top = level_db.max() if max_db is None else max_db
    return _show_over_time(level_db, np.shape(y)[-1], sr, ax, _LEVELS, (top - range_db, top), "Level (dB)")


def gainshow(before: ArrayLike, after: ArrayLike, sr: float, *, ax: Axes | None = None, range_db: float = 40.0) -> Axes:
    """Draw what was done to a signal: the level after less the level before, white where nothing was taken away.

    Parameters
    ----------
    before, after
        Signals of equal shape (..., samples).
    sr
        Sampling rate in Hz.
    ax
        Where to draw; the current axes unless given.
    range_db
        Attenuation that is drawn black, in dB.

    Raises
    ------
    NmfaudioError
        If the shapes differ, the signals are empty or matplotlib is missing.
    """
    if np.shape(before) != np.shape(after):
        raise NmfaudioError(f"before and after must be of one shape, not {np.shape(before)} and {np.shape(after)}")
    gain_db = _level_db(after, sr) - _level_db(before, sr)
    return _show_over_time(gain_db, np.shape(before)[-1], sr, ax, _GAINS, (-range_db, 0.0), "Gain (dB)")


def compare(before: ArrayLike, after: ArrayLike, sr: float, *, axes: NDArray | None = None) -> NDArray:
    """Draw a signal before and after, in the same colours, and between them the gain that made the difference.

    Parameters
    ----------
    before, after
        Signals of equal shape (..., samples).
    sr
        Sampling rate in Hz.
    axes
        Three axes, before, gain and after; a new figure unless given.

    Returns
    -------
    NDArray
        The three axes.

    Raises
    ------
    NmfaudioError
        As for `gainshow`.
    """
    if axes is None:
        axes = _pyplot().subplots(3, 1, sharex=True, sharey=True, figsize=(9, 9), layout="constrained")[1]
    top = _level_db(before, sr).max()
    specshow(before, sr, ax=axes[0], max_db=top).set_title("Before")
    gainshow(before, after, sr, ax=axes[1]).set_title("Gain")
    specshow(after, sr, ax=axes[2], max_db=top).set_title("After")
    for ax in axes[:2]:
        ax.set_xlabel("")
    return axes


def atomshow(atoms: ArrayLike, *, bin_hz: float = 31.25, ax: Axes | None = None, range_db: float = 40.0) -> Axes:
    """Draw the atoms of a dictionary side by side, each relative to its own peak.

    Parameters
    ----------
    atoms
        Atoms as columns, shape (F, K).
    bin_hz
        Hertz from one bin to the next: ``1 / front_end.window_s`` of the dictionary.
    ax
        Where to draw; the current axes unless given.
    range_db
        Decibels from black to an atom's peak.

    Raises
    ------
    NmfaudioError
        If `atoms` is not a matrix with something in it, or matplotlib is missing.
    """
    W = np.asarray(atoms, np.float64)
    if W.ndim != 2 or W.size == 0:
        raise NmfaudioError(f"atoms are the columns of a matrix (F, K), not an array of shape {W.shape}")
    level_db = 20 * np.log10(np.maximum(W / np.maximum(W.max(axis=0), 1e-12), 1e-12))
    extent = (-0.5, W.shape[1] - 0.5, -bin_hz / 2000, (len(W) - 0.5) * bin_hz / 1000)
    ax = _show(level_db, extent, ax, _LEVELS, (-range_db, 0.0), "Level (dB)")
    ax.set_xlabel("Atom")
    return ax


def _level_db(y: ArrayLike, sr: float) -> NDArray[np.floating]:
    """Level (F, N) of a signal, averaged over channels; 0 dB is a sine of full scale."""
    stft = STFT.for_rate(sr)
    power = np.abs(stft(as_signal(y)) * stft.amplitude_scale) ** 2
    if power.size == 0:
        raise NmfaudioError(f"there is nothing to draw in a signal of shape {np.shape(y)}")
    return 10 * np.log10(power.reshape(-1, *power.shape[-2:]).mean(axis=0) + 1e-12)


def _show_over_time(
    values: NDArray, n_samples: int, sr: float, ax: Axes | None, cmap: str, limits: tuple[float, float], label: str
) -> Axes:
    """Draw values (F, N) of the frames of `n_samples` samples: frame t is centred on sample t * hop_length."""
    hop_s = STFT.for_rate(sr).hop_length / sr
    half_bin = sr / 4000 / (len(values) - 1)
    extent = (-hop_s / 2, (values.shape[1] - 0.5) * hop_s, -half_bin, sr / 2000 + half_bin)
    ax = _show(values, extent, ax, cmap, limits, label)
    ax.set(xlabel="Time (s)", xlim=(0, n_samples / sr), ylim=(0, sr / 2000))
    return ax


def _show(
    values: NDArray,
    extent: tuple[float, float, float, float],
    ax: Axes | None,
    cmap: str,
    limits: tuple[float, float],
    label: str,
) -> Axes:
    """Draw values (F, ...) as an image between the edges `extent`, frequency upwards in kHz, with a colour bar."""
    ax = ax or _pyplot().gca()
    image = ax.imshow(values, cmap, aspect="auto", origin="lower", extent=extent, vmin=limits[0], vmax=limits[1])
    ax.set_ylabel("Frequency (kHz)")
    ax.figure.colorbar(image, ax=ax, label=label)
    return ax


def _pyplot():
    try:
        from matplotlib import pyplot
    except ImportError:
        raise NmfaudioError("matplotlib is not installed: pip install 'nmfaudio[notebooks]'") from None
    return pyplot
