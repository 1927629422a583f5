"""Pictures of sounds and dictionaries with matplotlib: every function takes axes and returns them.

Both colour maps grow steadily in lightness, so that they read alike in grey and to colour-blind eyes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import check_number, checked, shown
from .audio import as_signal
from .dictionary import Dictionary
from .errors import NmfaudioError
from .nmf.atom_order import as_atoms, atom_order
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
    "spectrogram",
    "tuningshow",
]

_FRAMES = 4000  # transformed at a time
_COLUMNS = 6000  # of a picture, at most
_SILENCE_DB = -200.0
_LEVELS = "magma"
_GAINS = "gray"


@checked
def spectrogram(
    y: ArrayLike, sr: float, *, ax: Axes | None = None, range_db: float = 60.0, max_db: float | None = None
) -> Axes:
    """Draw the spectrogram of a signal.

    Parameters
    ----------
    y : array_like, shape (samples,) or (channels, samples)
        Signal; the power of its channels is averaged.
    sr : float
        Sampling rate in Hz.
    ax : matplotlib.axes.Axes, optional
        Axes to draw in; the current ones by default.
    range_db : float
        Decibels from black to the brightest colour.
    max_db : float, optional
        Level of the brightest colour; 0 dB is a sine of full scale. By default the signal's own highest level.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    NmfaudioError
        If the signal is empty or matplotlib is missing.

    Notes
    -----
    Recordings of hours work too: beyond 6000 frames, the power of neighbouring frames is averaged.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> y = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> ax = spectrogram(y, 16000, ax=Figure().subplots())
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('Time (s)', 'Frequency (kHz)')
    """
    check_number("range_db", range_db, 0.1)
    level_db = _level_db(y, sr)
    top = brightest_db(level_db, range_db) if max_db is None else max_db
    return _show_over_time(level_db, np.shape(y)[-1], sr, ax, _LEVELS, (top - range_db, top), "Level (dB)")


@checked
def gainshow(before: ArrayLike, after: ArrayLike, sr: float, *, ax: Axes | None = None, range_db: float = 40.0) -> Axes:
    """Draw the gain that a signal got: the level after minus the level before, white where nothing was taken away.

    Parameters
    ----------
    before, after : array_like, shape (samples,) or (channels, samples)
        Signals of equal shape.
    sr : float
        Sampling rate in Hz.
    ax : matplotlib.axes.Axes, optional
        Axes to draw in; the current ones by default.
    range_db : float
        Attenuation in dB that is drawn black.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    NmfaudioError
        If the shapes differ, the signals are empty or matplotlib is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> y = np.random.default_rng(0).standard_normal(16000)
    >>> ax = gainshow(y, 0.1 * y, 16000, ax=Figure().subplots())
    >>> float(ax.images[0].get_array().mean().round())
    -20.0
    """
    check_number("range_db", range_db, 0.1)
    if np.shape(before) != np.shape(after):
        raise NmfaudioError(f"before and after must be of one shape, not {np.shape(before)} and {np.shape(after)}")
    gain_db = _level_db(after, sr) - _level_db(before, sr)
    return _show_over_time(gain_db, np.shape(before)[-1], sr, ax, _GAINS, (-range_db, 0.0), "Gain (dB)")


@checked
def compare(
    before: ArrayLike, after: ArrayLike, sr: float, *, axes: NDArray[np.object_] | None = None
) -> NDArray[np.object_]:
    """Draw a signal before and after in the same colours, and between them the gain that made the difference.

    Parameters
    ----------
    before, after : array_like, shape (samples,) or (channels, samples)
        Signals of equal shape.
    sr : float
        Sampling rate in Hz.
    axes : ndarray of matplotlib.axes.Axes, shape (3,), optional
        Axes for before, gain and after; those of a new figure by default.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (3,)

    Raises
    ------
    NmfaudioError
        As for `gainshow`.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> y = np.random.default_rng(0).standard_normal(16000)
    >>> [ax.get_title() for ax in compare(y, 0.1 * y, 16000, axes=Figure().subplots(3, 1))]
    ['Before', 'Gain', 'After']
    """
    if axes is None:
        axes = _pyplot().subplots(3, 1, sharex=True, sharey=True, figsize=(9, 9), layout="constrained")[1]
    if np.shape(axes) != (3,):
        raise NmfaudioError(f"axes must be three of matplotlib, not an array of shape {np.shape(axes)}")
    range_db = 60.0
    top = brightest_db(_level_db(before, sr), range_db)
    spectrogram(before, sr, ax=axes[0], range_db=range_db, max_db=top).set_title("Before")
    gainshow(before, after, sr, ax=axes[1]).set_title("Gain")
    spectrogram(after, sr, ax=axes[2], range_db=range_db, max_db=top).set_title("After")
    for ax in axes[:2]:
        ax.set_xlabel("")
    return axes


@checked
def atomshow(
    atoms: ArrayLike, *, by: str | None = None, bin_hz: float = 31.25, ax: Axes | None = None, range_db: float = 40.0
) -> Axes:
    """Draw the atoms of a dictionary side by side, each relative to its own peak.

    Parameters
    ----------
    atoms : array_like, shape (F, K)
        Atoms as columns.
    by : {"centroid", "pitch"}, optional
        Sort them, see `atom_order`; by default they stay in their order.
    bin_hz : float
        Hertz from one bin to the next: ``1 / front_end.window_s`` of the dictionary.
    ax : matplotlib.axes.Axes, optional
        Axes to draw in; the current ones by default.
    range_db : float
        Decibels from black to an atom's peak.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    NmfaudioError
        If `atoms` is not a matrix or is empty, or matplotlib is missing.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from nmfaudio import Dictionary
    >>> atoms = Dictionary.load("speech-sparse").arrays["speech"]
    >>> atomshow(atoms, by="pitch", ax=Figure().subplots()).get_xlabel()
    'Atom, sorted by pitch'
    """
    check_number("bin_hz", bin_hz, 0.001)
    check_number("range_db", range_db, 0.1)
    W = as_atoms(atoms)
    if by is not None:
        W = W[:, atom_order(W, by, bin_hz=bin_hz)]
    level_db = 20 * np.log10(np.maximum(W / np.maximum(W.max(axis=0), 1e-12), 1e-12))
    extent = (-0.5, W.shape[1] - 0.5, -bin_hz / 2000, (len(W) - 0.5) * bin_hz / 1000)
    ax = _show(level_db, extent, ax, _LEVELS, (-range_db, 0.0), "Level (dB)")
    ax.set_xlabel("Atom" if by is None else f"Atom, sorted by {by}")
    return ax


@checked
def activationshow(
    activations: ArrayLike, *, hop_s: float = 0.016, ax: Axes | None = None, range_db: float = 40.0
) -> Axes:
    """Draw activations over time, one atom in each row, relative to the largest of all.

    Parameters
    ----------
    activations : array_like, shape (K, N)
        Activations H of K atoms in N frames.
    hop_s : float
        Seconds from one frame to the next.
    ax : matplotlib.axes.Axes, optional
        Axes to draw in; the current ones by default.
    range_db : float
        Decibels from black to the largest activation.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    NmfaudioError
        If `activations` is not a matrix or is empty, or matplotlib is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from nmfaudio.factorize import sparse_nmf
    >>> V = np.random.default_rng(0).random((9, 40))
    >>> ax = activationshow(sparse_nmf(V, n_components=3, max_iter=5).H, ax=Figure().subplots())
    >>> ax.images[0].get_array().shape
    (3, 40)
    """
    check_number("hop_s", hop_s, 1e-6)
    check_number("range_db", range_db, 0.1)
    H = np.asarray(activations, np.float64)
    if H.ndim != 2 or H.size == 0:
        raise NmfaudioError(f"activations are a matrix (K, N), not an array of shape {H.shape}")
    level_db = 20 * np.log10(np.maximum(H / max(H.max(), 1e-12), 1e-12))
    extent = (-hop_s / 2, (H.shape[1] - 0.5) * hop_s, -0.5, len(H) - 0.5)
    ax = _show(level_db, extent, ax, _LEVELS, (-range_db, 0.0), "Level (dB)")
    ax.set(xlabel="Time (s)", ylabel="Atom", xlim=(0, extent[1]))
    return ax


@checked
def learningshow(dictionary: Dictionary, *, ax: Axes | None = None) -> Axes:
    """Draw the learning curves of a dictionary: the loss on training and on development mixtures over the steps.

    Parameters
    ----------
    dictionary : Dictionary
        Dictionary of kind "unfolded"; its record holds the curves of its stages.
    ax : matplotlib.axes.Axes, optional
        Axes to draw in; the current ones by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    NmfaudioError
        If the record has no curves, or matplotlib is missing.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from nmfaudio import Dictionary
    >>> learningshow(Dictionary.load("speech-fast"), ax=Figure().subplots()).get_ylabel()
    'Loss'
    """
    curves = [stage["curve"] for stage in dictionary.record.get("stages", []) if stage.get("curve")]
    n_stages = len(dictionary.settings.get("stages", curves))
    if not curves:
        raise NmfaudioError(f"dictionary {dictionary.name!r}: its record has no learning curves")
    ax = _axes(ax)
    for i, curve in enumerate(curves):
        stage = f", stage {i + 1}" if i < n_stages else ", all stages"
        for name, label, style in (("train", "training", "o--"), ("dev", "development", "o-")):
            points = [(point["step"], point[name]) for point in curve if point.get(name) is not None]
            if points:
                grey = 0.6 * i / len(curves)
                ax.plot(*zip(*points, strict=True), style, color=str(grey), label=label + stage * (len(curves) > 1))
    ax.set(xlabel="Step", ylabel="Loss")
    ax.legend()
    return ax


@checked
def rankshow(ranks: ArrayLike, errors: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Draw the error for each number of components, with a ring around the smallest.

    Parameters
    ----------
    ranks : array_like of int, shape (n,)
        Numbers of components.
    errors : array_like, shape (n,) or (n, runs)
        Their errors. Runs are drawn as dots, their mean as a line.
    ax : matplotlib.axes.Axes, optional
        Axes to draw in; the current ones by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    NmfaudioError
        If the shapes do not fit, or matplotlib is missing.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = rankshow([2, 4, 8], [0.3, 0.1, 0.2], ax=Figure().subplots())
    >>> ax.lines[-1].get_xdata().tolist()
    [4]
    """
    x, E = np.asarray(ranks), np.asarray(errors, np.float64)
    if x.ndim != 1 or x.size == 0 or E.ndim not in (1, 2) or len(E) != len(x):
        raise NmfaudioError(f"errors of shape {E.shape} do not fit {x.size} ranks: give (n,) or (n, runs)")
    E = E.reshape(len(x), -1)
    mean = E.mean(axis=1)
    best = mean.argmin()
    ax = _axes(ax)
    if E.shape[1] > 1:
        ax.plot(x, E, ".", color="0.6")
    ax.plot(x, mean, "o-", color="0")
    ax.plot(x[best], mean[best], "o", markersize=14, fillstyle="none", color="0")
    ax.set(xlabel="Components", ylabel="Error")
    return ax


@checked
def tuningshow(tuning: Tuning, *, axes: NDArray[np.object_] | None = None) -> NDArray[np.object_]:
    """Draw the scores of sparse dictionaries of several ranks and penalties, with a ring around the best.

    Parameters
    ----------
    tuning : Tuning
        Result of `nmfaudio.training.tune.tune`.
    axes : ndarray of matplotlib.axes.Axes, shape (2,), optional
        Axes to draw in; those of a new figure by default.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (2,)

    Raises
    ------
    NmfaudioError
        If matplotlib is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from nmfaudio.training.tune import Tuning
    >>> tuning = Tuning((32, 64), np.array([[7.0, 8.0], [9.0, 9.0]]), (0.1, 1.0), np.array([[9.0, 9.0], [6.0, 7.0]]))
    >>> [ax.get_xlabel() for ax in tuningshow(tuning, axes=Figure().subplots(1, 2))]
    ['Speech atoms', 'Penalty']
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


def power_db(power: NDArray[np.floating]) -> NDArray[np.floating]:
    """Convert power to decibels, silence to -200 dB."""
    level_db: NDArray[np.floating] = 10 * np.log10(power + 10 ** (_SILENCE_DB / 10))
    return level_db


def brightest_db(level_db: NDArray[np.floating], range_db: float) -> float:
    """Choose the level of the brightest colour: the 99.7th percentile, but so high that silence is black."""
    return max(float(np.percentile(level_db, 99.7)), _SILENCE_DB + range_db)


def frames_a_column(n_frames: int) -> int:
    """Count the frames that one column of a picture stands for, so that it is not too wide."""
    return -(-n_frames // _COLUMNS)


def pooled(P: NDArray[np.floating], width: int) -> NDArray[np.floating]:
    """Average groups of `width` neighbouring frames of P, shape (F, N)."""
    starts = np.arange(0, P.shape[1], width)
    means: NDArray[np.floating] = np.add.reduceat(P, starts, axis=1) / np.diff(starts, append=P.shape[1])
    return means


def _level_db(y: ArrayLike, sr: float) -> NDArray[np.floating]:
    """Compute the level of a signal in dB, shape (F, columns), over all channels; a sine of full scale has 0 dB."""
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
    return power_db(np.concatenate(columns, axis=1))


def _show_over_time(
    values: NDArray[np.floating],
    n_samples: int,
    sr: float,
    ax: Axes | None,
    cmap: str,
    limits: tuple[float, float],
    label: str,
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
    values: NDArray[np.floating],
    extent: tuple[float, float, float, float],
    ax: Axes | None,
    cmap: str,
    limits: tuple[float, float],
    label: str,
) -> Axes:
    """Draw values (F, ...) as an image between the edges `extent`, frequency upwards in kHz, with a colour bar."""
    ax = _axes(ax)
    image = ax.imshow(values, cmap, aspect="auto", origin="lower", extent=extent, vmin=limits[0], vmax=limits[1])
    ax.set_ylabel("Frequency (kHz)")
    ax.figure.colorbar(image, ax=ax, label=label)
    return ax


def _axes(ax: Axes | None) -> Axes:
    """Return the axes to draw in."""
    if not (ax is None or hasattr(ax, "imshow")):
        raise NmfaudioError(f"ax must be axes of matplotlib, not {shown(ax)}")
    return ax or _pyplot().gca()


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError:
        raise NmfaudioError("matplotlib is not installed: pip install 'nmfaudio[notebooks]'") from None
    return pyplot
