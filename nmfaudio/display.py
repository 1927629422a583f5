"""Pictures of sounds and dictionaries: matplotlib axes in, axes out, as `librosa.display` does.

Both colour maps grow steadily in lightness, so that they read alike in grey and to colour-blind eyes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .audio import as_signal
from .dictionary import Dictionary
from .errors import NmfaudioError
from .levels import brightest_db, decibels, frames_a_column, pooled
from .spectra.stft import STFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .training.tune import Tuning

__all__ = [
    "activationshow",
    "atom_order",
    "atomshow",
    "compare",
    "gainshow",
    "learningshow",
    "rankshow",
    "specshow",
    "tuningshow",
]

_FRAMES = 4000  # about as many are transformed at a time
_LEVELS = "magma"
_GAINS = "gray"
_LOWEST_PITCH_HZ, _HIGHEST_PITCH_HZ = 60.0, 500.0
_HARMONICS = 15
_DECAY = 0.84


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

    Notes
    -----
    A recording of hours is drawn, too: of more than 6000 frames, means of the power of neighbours.

    Raises
    ------
    NmfaudioError
        If the signal is empty or matplotlib is missing.
    """
    level_db = _level_db(y, sr)
    top = brightest_db(level_db, range_db) if max_db is None else max_db
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
    range_db = 60.0
    top = brightest_db(_level_db(before, sr), range_db)
    specshow(before, sr, ax=axes[0], range_db=range_db, max_db=top).set_title("Before")
    gainshow(before, after, sr, ax=axes[1]).set_title("Gain")
    specshow(after, sr, ax=axes[2], range_db=range_db, max_db=top).set_title("After")
    for ax in axes[:2]:
        ax.set_xlabel("")
    return axes


def atom_order(atoms: ArrayLike, by: str = "centroid", *, bin_hz: float = 31.25) -> NDArray[np.intp]:
    """Order of atoms from low to high: ``atoms[:, order]`` are sorted, and so are their activations ``H[order]``.

    Parameters
    ----------
    atoms
        Atoms as columns, shape (F, K).
    by
        "centroid", the mean frequency ``sum(f w) / sum(w)``, or "pitch": the fundamental f from 60 to 500 Hz whose
        harmonics are strongest by subharmonic summation, ``sum_n 0.84^(n-1) w(n f)`` (Hermes, "Measurement of pitch by
        subharmonic summation", 1988). An atom of noise has no pitch, and its place says little.
    bin_hz
        Hertz from one bin to the next: ``1 / front_end.window_s`` of the dictionary.

    Returns
    -------
    NDArray
        Indices, shape (K,).

    Raises
    ------
    NmfaudioError
        If `atoms` is not a matrix with something in it, or `by` is none of the two.

    Examples
    --------
    >>> import numpy as np
    >>> atoms = np.zeros((257, 2))
    >>> atoms[8:80:8, 0] = 1  # harmonics of 250 Hz
    >>> atoms[4:120:4, 1] = 1  # of 125 Hz, and reaching higher
    >>> atom_order(atoms, "centroid"), atom_order(atoms, "pitch")
    (array([0, 1]), array([1, 0]))
    """
    W = _atoms(atoms)
    if by == "centroid":
        keys = np.arange(len(W)) @ W / np.maximum(W.sum(axis=0), 1e-12)
    elif by == "pitch":
        keys = _pitches_hz(W, bin_hz)
    else:
        raise NmfaudioError(f"atoms are sorted by 'centroid' or 'pitch', not by {by!r}")
    return np.argsort(keys, kind="stable")


def atomshow(
    atoms: ArrayLike, *, by: str | None = None, bin_hz: float = 31.25, ax: Axes | None = None, range_db: float = 40.0
) -> Axes:
    """Draw the atoms of a dictionary side by side, each relative to its own peak.

    Parameters
    ----------
    atoms
        Atoms as columns, shape (F, K).
    by
        Draw them sorted by "centroid" or "pitch", see `atom_order`; as they come unless given.
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
    W = _atoms(atoms)
    if by is not None:
        W = W[:, atom_order(W, by, bin_hz=bin_hz)]
    level_db = 20 * np.log10(np.maximum(W / np.maximum(W.max(axis=0), 1e-12), 1e-12))
    extent = (-0.5, W.shape[1] - 0.5, -bin_hz / 2000, (len(W) - 0.5) * bin_hz / 1000)
    ax = _show(level_db, extent, ax, _LEVELS, (-range_db, 0.0), "Level (dB)")
    ax.set_xlabel("Atom" if by is None else f"Atom, sorted by {by}")
    return ax


def activationshow(
    activations: ArrayLike, *, hop_s: float = 0.016, ax: Axes | None = None, range_db: float = 40.0
) -> Axes:
    """Draw activations over time, an atom a row, relative to the largest of all.

    Parameters
    ----------
    activations
        Shape (K, N).
    hop_s
        Seconds from one frame to the next.
    ax
        Where to draw; the current axes unless given.
    range_db
        Decibels from black to the largest activation.

    Raises
    ------
    NmfaudioError
        If `activations` is not a matrix with something in it, or matplotlib is missing.
    """
    H = np.asarray(activations, np.float64)
    if H.ndim != 2 or H.size == 0:
        raise NmfaudioError(f"activations are a matrix (K, N), not an array of shape {H.shape}")
    level_db = 20 * np.log10(np.maximum(H / max(H.max(), 1e-12), 1e-12))
    extent = (-hop_s / 2, (H.shape[1] - 0.5) * hop_s, -0.5, len(H) - 0.5)
    ax = _show(level_db, extent, ax, _LEVELS, (-range_db, 0.0), "Level (dB)")
    ax.set(xlabel="Time (s)", ylabel="Atom", xlim=(0, extent[1]))
    return ax


def learningshow(dictionary: Dictionary, *, ax: Axes | None = None) -> Axes:
    """Draw how a dictionary learned: the loss on training and on development mixtures over the steps.

    Parameters
    ----------
    dictionary
        Of kind "unfolded": its record holds the curves of its stages.
    ax
        Where to draw; the current axes unless given.

    Raises
    ------
    NmfaudioError
        If there are no curves in the record, or matplotlib is missing.
    """
    curves = [stage["curve"] for stage in dictionary.record.get("stages", []) if stage.get("curve")]
    if not curves:
        raise NmfaudioError(f"dictionary {dictionary.name!r}: its record has no learning curves")
    ax = ax or _pyplot().gca()
    for i, curve in enumerate(curves):
        stage = f", stage {i + 1}" if len(curves) > 1 else ""
        for name, label, style in (("train", "training", "o--"), ("dev", "development", "o-")):
            points = [(point["step"], point[name]) for point in curve if point.get(name) is not None]
            if points:
                grey = 0.6 * i / len(curves)
                ax.plot(*zip(*points, strict=True), style, color=str(grey), label=label + stage)
    ax.set(xlabel="Step", ylabel="Loss")
    ax.legend()
    return ax


def rankshow(ranks: ArrayLike, errors: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Draw how well each number of components does, with a ring around the best.

    Parameters
    ----------
    ranks
        Numbers of components, shape (n,).
    errors
        Their errors, shape (n,) or (n, runs): runs are drawn as dots, their mean as a line.
    ax
        Where to draw; the current axes unless given.

    Raises
    ------
    NmfaudioError
        If the shapes do not fit, or matplotlib is missing.
    """
    x, E = np.asarray(ranks), np.asarray(errors, np.float64)
    if x.ndim != 1 or x.size == 0 or E.ndim not in (1, 2) or len(E) != len(x):
        raise NmfaudioError(f"errors of shape {E.shape} do not fit {x.size} ranks: give (n,) or (n, runs)")
    E = E.reshape(len(x), -1)
    mean = E.mean(axis=1)
    best = mean.argmin()
    ax = ax or _pyplot().gca()
    if E.shape[1] > 1:
        ax.plot(x, E, ".", color="0.6")
    ax.plot(x, mean, "o-", color="0")
    ax.plot(x[best], mean[best], "o", markersize=14, fillstyle="none", color="0")
    ax.set(xlabel="Components", ylabel="Error")
    return ax


def tuningshow(tuning: Tuning, *, axes: NDArray | None = None) -> NDArray:
    """Draw how well sparse dictionaries of several ranks and penalties do, with a ring around the best.

    Parameters
    ----------
    tuning
        From `nmfaudio.training.tune.tune`.
    axes
        Two axes to draw in; those of a new figure unless given.

    Raises
    ------
    NmfaudioError
        If matplotlib is missing.
    """
    if axes is None:
        axes = _pyplot().subplots(1, 2, sharey=True, figsize=(8, 3.5), layout="constrained")[1]
    ranks, penalties = (tuning.ranks, tuning.rank_db), (tuning.penalties, tuning.penalty_db)
    for ax, (x, db), label in zip(axes, (ranks, penalties), ("Speech atoms", "Penalty"), strict=True):
        mean, error = db.mean(axis=1), db.std(axis=1) / np.sqrt(db.shape[1])
        ax.errorbar(x, mean, error, fmt="o-", color="0", ecolor="0.6")
        ax.plot(x[mean.argmax()], mean.max(), "o", markersize=14, fillstyle="none", color="0")
        ax.set(xlabel=label, xscale="log")
        ax.set_xticks(x, [f"{value:g}" for value in x])
        ax.minorticks_off()
    axes[0].set_ylabel("SI-SDR on held-out mixtures (dB)")
    return axes


def _atoms(atoms: ArrayLike) -> NDArray[np.float64]:
    W = np.asarray(atoms, np.float64)
    if W.ndim != 2 or W.size == 0:
        raise NmfaudioError(f"atoms are the columns of a matrix (F, K), not an array of shape {W.shape}")
    return W


def _pitches_hz(W: NDArray[np.float64], bin_hz: float) -> NDArray[np.float64]:
    candidates = np.geomspace(_LOWEST_PITCH_HZ, _HIGHEST_PITCH_HZ, 200)
    salience = np.zeros((len(candidates), W.shape[1]))
    for n in range(1, _HARMONICS + 1):
        bins = n * candidates / bin_hz
        below = np.minimum(bins.astype(int), len(W) - 2)
        part = np.where(bins < len(W) - 1, bins - below, 0)[:, None]
        values = (1 - part) * W[below] + part * W[below + 1]
        salience += np.where(bins[:, None] < len(W) - 1, _DECAY ** (n - 1) * values, 0)
    return candidates[salience.argmax(axis=0)]


def _level_db(y: ArrayLike, sr: float) -> NDArray[np.floating]:
    """Level (F, columns) of a signal, averaged over channels; 0 dB is a sine of full scale."""
    stft, y = STFT.for_rate(sr), as_signal(y)
    n_frames, hop = stft.n_frames(y.shape[-1]), stft.hop_length
    if not n_frames or not y.size:
        raise NmfaudioError(f"there is nothing to draw in a signal of shape {np.shape(y)}")
    width = frames_a_column(n_frames)
    step, reach = -(-_FRAMES // width) * width, -(-stft.overlap // hop)
    columns = []
    for start in range(0, n_frames, step):
        first, stop = max(0, start - reach), min(start + step, n_frames)
        Y = stft(y[..., first * hop : stop * hop])[..., start - first : stop - first]
        power = np.abs(Y * stft.amplitude_scale) ** 2
        columns.append(pooled(power.reshape(-1, *power.shape[-2:]).mean(axis=0), width))
    return decibels(np.concatenate(columns, axis=1))


def _show_over_time(
    values: NDArray, n_samples: int, sr: float, ax: Axes | None, cmap: str, limits: tuple[float, float], label: str
) -> Axes:
    """Draw values (F, columns) of a signal of `n_samples` samples: frame t is centred on sample t * hop_length."""
    stft = STFT.for_rate(sr)
    hop_s = stft.hop_length / sr
    column_s = frames_a_column(stft.n_frames(n_samples)) * hop_s
    half_bin = sr / 4000 / (len(values) - 1)
    extent = (-hop_s / 2, values.shape[1] * column_s - hop_s / 2, -half_bin, sr / 2000 + half_bin)
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
