"""Detection of damage: clipped peaks, clicks, dropouts."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import check_number, check_rate, checked
from ..audio import as_signal
from ..spectra.blocks import windows

DAMAGE = ("dropouts", "clicks", "clipped")
"""Kinds of damage that can be looked for."""

_CONTEXT_S = 0.5  # more than any damage lasts, and than its neighbours that count
_CLIPPED_RUN = 3  # samples at one extreme value
_QUANTISED = 50  # times the smallest value: below that, samples are equal because they are coarse
_SHORTEST_DROPOUT_S, _LONGEST_DROPOUT_S = 0.002, 0.1
_STEPS = 8  # times the smallest value: zeros amid less may be rounding
_ORDER = 24  # of the linear prediction that clicks defy
_CLICK_FRAME_S, _CLICK_MARGIN_S, _LONGEST_CLICK_S = 0.032, 0.0004, 0.008
_PEAK, _EDGE = 20.0, 6.0  # of a click, times the median error


@checked
def find_clipped(y: ArrayLike) -> NDArray[np.bool_]:
    """Find clipped samples: those at a channel's highest or lowest value, where that is a limit.

    A value is a limit if at least three samples in a row are within a thousandth of it and the slopes beside them are
    steep. The peak of a low note is as flat, but falls off slowly.

    Parameters
    ----------
    y : array_like, shape (samples,) or (channels, samples)
        Signal.

    Returns
    -------
    ndarray of bool, shape of y

    Raises
    ------
    AudioError
        If y is no such signal, or holds NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(0.01 * np.arange(1000))
    >>> int(find_clipped(y).sum()), int(find_clipped(y.clip(-0.8, 0.8)).sum())
    (0, 387)
    """
    return _by_channel(lambda channel: _clipped(channel, limits := _limits(channel), _are_limits(channel, limits)), y)


@checked
def find_dropouts(
    y: ArrayLike, sr: float, shortest_s: float = _SHORTEST_DROPOUT_S, longest_s: float = _LONGEST_DROPOUT_S
) -> NDArray[np.bool_]:
    """Find dropouts: samples of digital silence inside sound.

    On both sides, within `shortest_s`, there must be a sample above eight times the smallest value. Zeros in a quiet
    passage of 8 bits, or in a fade, are no damage.

    Parameters
    ----------
    y : array_like, shape (samples,) or (channels, samples)
        Signal.
    sr : float
        Sampling rate in Hz.
    shortest_s, longest_s : float
        Duration of a dropout in seconds. Longer silence is a pause.

    Returns
    -------
    ndarray of bool, shape of y

    Raises
    ------
    AudioError
        If y is no such signal, or holds NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(0.1 * np.arange(8000) + 0.01)
    >>> y[3000:3100] = 0
    >>> int(find_dropouts(y, 8000).sum())
    100
    """
    check_number("shortest_s", shortest_s, 0)
    check_number("longest_s", longest_s, shortest_s)
    shortest, longest = _dropout_lengths(sr, shortest_s, longest_s)
    return _by_channel(lambda channel: _dropouts(channel, _limits(channel), shortest, longest), y)


@checked
def find_clicks(y: ArrayLike, sr: float) -> NDArray[np.bool_]:
    """Find clicks and crackle of up to 8 ms: samples that linear prediction from both sides cannot explain.

    Each frame is whitened by its own predictor and then filtered backwards by it, which gathers the energy of a click
    (Godsill and Rayner, "Digital audio restoration", 1998, section 5.3.1). A click is far above the frame's median.

    Parameters
    ----------
    y : array_like, shape (samples,) or (channels, samples)
        Signal.
    sr : float
        Sampling rate in Hz.

    Returns
    -------
    ndarray of bool, shape of y

    Raises
    ------
    AudioError
        If y is no such signal, or holds NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(0.1 * np.arange(8000)) + 0.001 * np.random.default_rng(0).standard_normal(8000)
    >>> y[4000] += 0.5
    >>> found = np.flatnonzero(find_clicks(y, 8000))
    >>> bool(found[0] <= 4000 <= found[-1] < found[0] + 40)
    True
    """
    check_rate(sr)
    return _by_channel(lambda channel: _clicks(channel.astype(np.float64), sr), y)


def _by_channel(find: Callable[[NDArray[np.floating]], NDArray[np.bool_]], y: ArrayLike) -> NDArray[np.bool_]:
    """Apply a detector of one channel, shape (samples,), to all channels of a signal."""
    y = as_signal(y)
    return np.array([find(channel) for channel in np.atleast_2d(y)], bool).reshape(y.shape)


def find_damage(
    read: Callable[[], Iterable[NDArray[np.floating]]], sr: float, kinds: Collection[str]
) -> Iterator[tuple[NDArray[Any], ...]]:
    """Find damage in a recording of any length, as the functions above do in one piece.

    Parameters
    ----------
    read : callable
        Gives the recording in blocks, shape (channels, samples), from its beginning: up to three times, since clipped
        peaks and dropouts depend on the highest, lowest and smallest values of all.
    sr : float
        Sampling rate in Hz.
    kinds : collection of str
        Some of `DAMAGE`.

    Yields
    ------
    tuple of ndarray, shape (channels, samples)
        Blocks of the recording, and a mask for each of `DAMAGE`.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(0.01 * np.arange(48000)).clip(-0.8, 0.8)[np.newaxis]
    >>> blocks = find_damage(lambda: np.split(y, 3, axis=1), 16000, ["clipped"])
    >>> sum(int(clipped.sum()) for _, dropouts, clicks, clipped in blocks) == int(find_clipped(y).sum())
    True
    """
    step = _click_frame(sr)  # clicks are looked for in frames
    context = math.ceil(_CONTEXT_S * sr / step) * step
    limits: list[_Limits] = []
    if "clipped" in kinds or "dropouts" in kinds:
        for y in read():
            limits = [_limits(*one) for one in zip(y, limits or [_UNKNOWN] * len(y), strict=True)]
    reached = [(False, False)] * len(limits)
    if "clipped" in kinds:
        for (y,), now in windows(((y,) for y in read()), context, context, step):
            seen = [_are_limits(*one, now) for one in zip(y, limits, strict=True)]
            reached = [(a or c, b or d) for (a, b), (c, d) in zip(reached, seen, strict=True)]
    for (y,), now in windows(((y,) for y in read()), context, context, step):
        masks = np.zeros((len(DAMAGE), *y.shape), bool)
        if "dropouts" in kinds:
            masks[0] = [_dropouts(*one, *_dropout_lengths(sr)) for one in zip(y, limits, strict=True)]
        if "clicks" in kinds:
            masks[1] = find_clicks(y, sr)
        if "clipped" in kinds:
            masks[2] = [_clipped(*one) for one in zip(y, limits, reached, strict=True)]
        yield y[:, now], *masks[:, :, now]


def _dropout_lengths(
    sr: float, shortest_s: float = _SHORTEST_DROPOUT_S, longest_s: float = _LONGEST_DROPOUT_S
) -> tuple[int, int]:
    check_rate(sr)
    return max(2, round(shortest_s * sr)), round(longest_s * sr)


class _Limits(NamedTuple):
    """Values of a channel: the highest, the lowest turned over, and the smallest that is not 0."""

    top: float
    bottom: float
    smallest: float


_UNKNOWN = _Limits(0.0, 0.0, np.inf)


def _limits(y: NDArray[np.floating], before: _Limits = _UNKNOWN) -> _Limits:
    """Limits of a channel, whose samples so far have others."""
    sizes = np.abs(y)
    return _Limits(
        float(y.max(initial=before.top)),
        float((-y).max(initial=before.bottom)),
        float(sizes[sizes > 0].min(initial=before.smallest)),
    )


def _are_limits(y: NDArray[np.floating], limits: _Limits, now: slice = slice(None)) -> tuple[bool, bool]:
    """Tell whether peaks are cut off at the highest and at the lowest value."""
    return _is_limit(y, limits.top, limits.smallest, now), _is_limit(-y, limits.bottom, limits.smallest, now)


def _is_limit(y: NDArray[np.floating], top: float, smallest: float, now: slice) -> bool:
    if not top > _QUANTISED * smallest:
        return False
    flat, near = _runs(y >= 0.999 * top, _CLIPPED_RUN), y >= 0.984 * top
    peak = np.cumsum(near & ~np.roll(near, 1))  # number of the peak that a sample belongs to
    n_flat, n_near = (np.bincount(peak, mask, len(y) + 1) for mask in (flat, near))
    return bool((flat & (2 * n_flat >= n_near)[peak])[now].any())  # of a parabola's peak a quarter would be flat


def _clipped(y: NDArray[np.floating], limits: _Limits, reached: tuple[bool, bool]) -> NDArray[np.bool_]:
    return (reached[0] & (y >= 0.999 * limits.top)) | (reached[1] & (-y >= 0.999 * limits.bottom))


def _dropouts(y: NDArray[np.floating], limits: _Limits, shortest: int, longest: int) -> NDArray[np.bool_]:
    found = _runs(y == 0, shortest, longest)
    loud = np.abs(y) > _STEPS * limits.smallest
    for start, stop in _edges(found):
        found[start:stop] = loud[max(0, start - shortest) : start].any() and loud[stop : stop + shortest].any()
    return found


def _clicks(y: NDArray[np.float64], sr: float) -> NDArray[np.bool_]:
    from librosa import lpc
    from scipy.ndimage import binary_propagation, maximum_filter1d
    from scipy.signal import lfilter

    n, margin = _click_frame(sr), max(1, int(_CLICK_MARGIN_S * sr))
    window, noise = np.hanning(2 * n), np.random.default_rng(0).standard_normal(2 * n)
    if not y.size:
        return np.zeros(0, bool)
    padded = np.pad(y, (n // 2, 2 * n), "reflect", reflect_type="odd")  # no jump at the ends
    found = np.zeros(len(y), bool)
    for start in range(0, len(y), n):
        frame = padded[start : start + 2 * n]  # the n samples in question amid their neighbours
        if frame.any():
            predictor = lpc(window * (frame + 1e-5 * np.abs(frame).max() * noise), order=_ORDER)
            error = lfilter(predictor, [1.0], frame)
            gathered = np.abs(lfilter(predictor, [1.0], error[::-1])[::-1])
            usual = np.median(gathered)
            if usual > 0:  # digital silence is no measure
                loud = binary_propagation(gathered > _PEAK * usual, mask=gathered > _EDGE * usual)
                found[start : start + n] = loud[n // 2 : n // 2 + n][: len(y) - start]
    return _runs(maximum_filter1d(found, 2 * margin + 1), 1, int(_LONGEST_CLICK_S * sr))


def _click_frame(sr: float) -> int:
    return max(_ORDER, int(_CLICK_FRAME_S * sr))


def _runs(mask: NDArray[np.bool_], shortest: int, longest: float = np.inf) -> NDArray[np.bool_]:
    """Keep the runs of True whose length is in the range."""
    edges = _edges(mask)
    lengths = edges[:, 1] - edges[:, 0]
    starts, stops = edges[(lengths >= shortest) & (lengths <= longest)].T
    steps = np.zeros(len(mask) + 1, np.int8)
    steps[starts], steps[stops] = 1, -1
    return np.cumsum(steps[:-1], dtype=np.int8).astype(bool)


def _edges(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """First index of each run of True and the index after its end, shape (runs, 2)."""
    return np.flatnonzero(np.diff(mask, prepend=False, append=False)).reshape(-1, 2)
