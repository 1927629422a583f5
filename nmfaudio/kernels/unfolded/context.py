"""Averages and minima over spans of frames around each frame, and averages over neighbouring bins."""

import numpy as np

from .._jit import jit


@jit
def running_sums(X: np.ndarray, before: int, sums: np.ndarray) -> None:
    """Add up each row frame by frame, in double precision, for :func:`means_over`.

    Parameters
    ----------
    X : ndarray, shape (R, T)
    before : int
        Frames of silence before the first one.
    sums : ndarray, shape (R, before + 1 + T + after), float64
        Output: column ``before + t`` holds the sum of the frames before t.
    """
    n_frames = X.shape[1]
    for r in range(len(X)):
        row, total = sums[r], 0.0
        row[: before + 1] = 0
        for t in range(n_frames):
            total += np.float64(X[r, t])
            row[before + 1 + t] = total
        row[before + 1 + n_frames :] = total


@jit
def means_over(sums: np.ndarray, start: int, spans: np.ndarray, out: np.ndarray) -> None:
    """Average non-negative rows over spans of frames around each frame.

    Parameters
    ----------
    sums : ndarray, shape (R, M), float64
        From :func:`running_sums`.
    start : int
        Column of the first frame.
    spans : ndarray, shape (S, 2), int64
        First and last frame of each span, relative to the current one.
    out : ndarray, shape (S, R, T)
        Output for T frames.
    """
    kind = out.dtype.type
    for s in range(len(spans)):
        first, last = spans[s, 0], spans[s, 1]
        scale = 1.0 / (last - first + 1)
        for r in range(len(sums)):
            low, high, row = sums[r, start + first :], sums[r, start + last + 1 :], out[s, r]
            for t in range(len(row)):
                row[t] = max(kind((high[t] - low[t]) * scale), kind(0))


@jit
def means_over_bins(X: np.ndarray, reach: int, out: np.ndarray) -> None:
    """Average each row and up to `reach` rows above and below it.

    Parameters
    ----------
    X : ndarray, shape (F, T)
    reach : int
    out : ndarray, shape (F, T)
        Output.
    """
    n_bins, n_frames = X.shape
    total = np.zeros(n_frames)
    first, last = 0, 0  # rows in the total, the last not
    for f in range(n_bins):
        while last < min(f + reach + 1, n_bins):
            for t in range(n_frames):
                total[t] += np.float64(X[last, t])
            last += 1
        while first < f - reach:
            for t in range(n_frames):
                total[t] -= np.float64(X[first, t])
            first += 1
        scale = 1.0 / (last - first)
        for t in range(n_frames):
            out[f, t] = total[t] * scale


@jit
def minima_over(X: np.ndarray, widths: np.ndarray, out: np.ndarray) -> None:
    """Find the minima over windows that begin at each frame, from windows of half the width, and so on.

    Parameters
    ----------
    X : ndarray, shape (R, T)
    widths : ndarray, shape (S,), int64
        Widths in frames, ascending.
    out : ndarray, shape (S, R, T)
        Output; undefined where a window ends after the last frame.
    """
    n_frames = X.shape[1]
    row, wider = np.empty(n_frames, X.dtype), np.empty(n_frames, X.dtype)
    for r in range(X.shape[0]):
        row[:] = X[r]
        wider[:] = row
        covered = 1
        for s in range(len(widths)):
            while covered < widths[s]:
                step = min(covered, widths[s] - covered)
                shifted = row[step:]
                for t in range(len(shifted)):
                    wider[t] = min(row[t], shifted[t])
                row, wider = wider, row
                covered += step
            for t in range(n_frames):
                out[s, r, t] = row[t]


@jit
def means_of_past(rows: np.ndarray, now: int, spans: np.ndarray, out: np.ndarray) -> None:
    """Average the rows of past frames over spans.

    Parameters
    ----------
    rows : ndarray, shape (n, R)
        Frames as rows.
    now : int
        Row of the current frame.
    spans : ndarray, shape (S, 2), int64
        First and last frame of each span, relative to the current one.
    out : ndarray, shape (S, R)
        Output.
    """
    for s in range(len(spans)):
        first, last = now + spans[s, 0], now + spans[s, 1]
        mean = out[s]
        mean[:] = rows[first]
        for t in range(first + 1, last + 1):
            row = rows[t]
            for r in range(len(mean)):
                mean[r] += row[r]
        if last > first:
            scale = rows.dtype.type(1.0 / (last - first + 1))
            for r in range(len(mean)):
                mean[r] *= scale


@jit
def minima_of_past(rows: np.ndarray, now: int, spans: np.ndarray, out: np.ndarray) -> None:
    """Find the minima of the rows of past frames over spans.

    Parameters
    ----------
    rows : ndarray, shape (n, R)
        Frames as rows.
    now : int
        Row of the current frame.
    spans : ndarray, shape (S, 2), int64
        First and last frame of each span, relative to the current one.
    out : ndarray, shape (S, R)
        Output.
    """
    for s in range(len(spans)):
        least = out[s]
        least[:] = rows[now + spans[s, 0]]
        for t in range(now + spans[s, 0] + 1, now + spans[s, 1] + 1):
            row = rows[t]
            for r in range(len(least)):
                least[r] = min(least[r], row[r])
