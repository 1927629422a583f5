"""Where a recording is damaged: clipped peaks, clicks, dropouts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..audio import as_signal

_CLIPPED_RUN = 3  # samples at one extreme value
_QUANTISED = 50  # times the smallest value: below that, samples are equal because they are coarse
_STEPS = 8  # times the smallest value: zeros amid less may be rounding
_ORDER = 24  # of the linear prediction that clicks defy
_CLICK_FRAME_S, _CLICK_MARGIN_S, _LONGEST_CLICK_S = 0.032, 0.0004, 0.008
_PEAK, _EDGE = 20.0, 6.0  # of a click, times the median error


def find_clipped(y: ArrayLike) -> NDArray[np.bool_]:
    """Samples that are cut off: those at a channel's highest or lowest value, where that is a limit.

    It is one if at least three samples on end are within a thousandth of it, and the slopes beside them steep: a low
    note's own peak is as flat, but falls off slowly.

    Parameters
    ----------
    y
        Signal, shape (samples,) or (channels, samples).

    Returns
    -------
    NDArray
        Bool, of y's shape.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(0.01 * np.arange(1000))
    >>> int(find_clipped(y).sum()), int(find_clipped(y.clip(-0.8, 0.8)).sum())
    (0, 387)
    """
    y = as_signal(y)
    found = np.zeros(y.shape, bool)
    for index in np.ndindex(y.shape[:-1]):
        found[index] = _cut_off(y[index]) | _cut_off(-y[index])
    return found


def _cut_off(y: np.ndarray) -> np.ndarray:
    top, sizes = y.max(initial=0), np.abs(y)
    if not top > _QUANTISED * sizes[sizes > 0].min(initial=np.inf):
        return np.zeros(y.shape, bool)
    flat, near = _runs(y >= 0.999 * top, _CLIPPED_RUN), y >= 0.984 * top
    peak = np.cumsum(near & ~np.roll(near, 1))  # number of the peak that a sample belongs to
    n_flat, n_near = (np.bincount(peak, mask, len(y) + 1) for mask in (flat, near))
    cut_off = (flat & (2 * n_flat >= n_near)[peak]).any()  # of a parabola's peak a quarter would be flat
    return (y >= 0.999 * top) & cut_off


def find_dropouts(y: ArrayLike, sr: float, shortest_s: float = 0.002, longest_s: float = 0.1) -> NDArray[np.bool_]:
    """Samples of digital silence amid sound.

    There must be more than eight times the smallest value within `shortest_s` on both sides: a quiet passage in 8 bits,
    or one that is faded out, has zeros that nothing is lost in.

    Parameters
    ----------
    y
        Signal, shape (samples,) or (channels, samples).
    sr
        Sampling rate in Hz.
    shortest_s, longest_s
        Duration of a dropout; what lasts longer is a pause.

    Returns
    -------
    NDArray
        Bool, of y's shape.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(0.1 * np.arange(8000) + 0.01)
    >>> y[3000:3100] = 0
    >>> int(find_dropouts(y, 8000).sum())
    100
    """
    y = as_signal(y)
    shortest, longest = max(2, round(shortest_s * sr)), round(longest_s * sr)
    found = _runs(y == 0, shortest, longest)
    for index in np.ndindex(y.shape[:-1]):
        sizes, zeros = np.abs(y[index]), found[index]
        loud = sizes > _STEPS * sizes[sizes > 0].min(initial=np.inf)
        edges = np.flatnonzero(np.diff(zeros, prepend=False, append=False))
        for start, stop in edges.reshape(-1, 2):
            zeros[start:stop] = loud[max(0, start - shortest) : start].any() and loud[stop : stop + shortest].any()
    return found


def find_clicks(y: ArrayLike, sr: float) -> NDArray[np.bool_]:
    """Samples that linear prediction from both sides cannot explain: clicks and crackle of up to 8 ms.

    Each frame is whitened by its own predictor and filtered backwards by it too, which gathers what a click excites
    (Godsill and Rayner, "Digital audio restoration", 1998, section 5.3.1); a click is far beyond the frame's median.

    Parameters
    ----------
    y
        Signal, shape (samples,) or (channels, samples).
    sr
        Sampling rate in Hz.

    Returns
    -------
    NDArray
        Bool, of y's shape.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(0.1 * np.arange(8000)) + 0.001 * np.random.default_rng(0).standard_normal(8000)
    >>> y[4000] += 0.5
    >>> found = np.flatnonzero(find_clicks(y, 8000))
    >>> bool(found[0] <= 4000 <= found[-1] < found[0] + 40)
    True
    """
    y = as_signal(y)
    found = np.zeros(y.shape, bool)
    for index in np.ndindex(y.shape[:-1]):
        found[index] = _clicks(y[index].astype(np.float64), sr)
    return found


def _clicks(y: np.ndarray, sr: float) -> np.ndarray:
    from librosa import lpc
    from scipy.ndimage import binary_propagation, maximum_filter1d
    from scipy.signal import lfilter

    n, margin = int(_CLICK_FRAME_S * sr), max(1, int(_CLICK_MARGIN_S * sr))
    window, noise = np.hanning(2 * n), np.random.default_rng(0).standard_normal(2 * n)
    if not y.size:
        return np.zeros(0, bool)
    padded = np.pad(y, (n // 2, 2 * n), "reflect", reflect_type="odd")  # no jump at the ends
    found = np.zeros(len(y), bool)
    for start in range(0, len(y), n):
        frame = padded[start : start + 2 * n]  # the n samples in question amid their neighbours
        if frame.any():
            predictor = lpc(window * (frame + 1e-5 * np.abs(frame).max() * noise), order=_ORDER)
            error = lfilter(predictor, 1, frame)
            gathered = np.abs(lfilter(predictor, 1, error[::-1])[::-1])
            usual = np.median(gathered)
            if usual > 0:  # digital silence is no measure
                loud = binary_propagation(gathered > _PEAK * usual, mask=gathered > _EDGE * usual)
                found[start : start + n] = loud[n // 2 : n // 2 + n][: len(y) - start]
    return _runs(maximum_filter1d(found, 2 * margin + 1), 1, int(_LONGEST_CLICK_S * sr))


def _runs(mask: np.ndarray, shortest: int, longest: float = np.inf) -> np.ndarray:
    """Those runs of True along the last axis whose length is in the range."""
    edges = np.diff(np.pad(mask.astype(np.int8), [*[(0, 0)] * (mask.ndim - 1), (1, 1)]), axis=-1)
    starts, stops = np.nonzero(edges == 1), np.nonzero(edges == -1)
    lengths = stops[-1] - starts[-1]
    wanted = (lengths >= shortest) & (lengths <= longest)
    kept = np.zeros(edges.shape, np.int8)
    kept[tuple(axis[wanted] for axis in starts)] = 1
    kept[tuple(axis[wanted] for axis in stops)] = -1
    return np.cumsum(kept, axis=-1, dtype=np.int8)[..., :-1].astype(bool)
