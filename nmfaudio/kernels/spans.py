"""Averages and minima over spans of the time around each frame."""

import numpy as np

from ._jit import jit


@jit
def means_over(X: np.ndarray, spans: np.ndarray, out: np.ndarray) -> None:
    """Averages over the frames ``t + first .. t + last`` of each row; there is silence outside of X.

    Parameters
    ----------
    X : ndarray, shape (R, N)
        Non-negative.
    spans : ndarray, shape (S, 2), int64
        First and last frame of each span.
    out : ndarray, shape (S, R, n)
        Output for the first n frames.
    """
    n_frames, kept = X.shape[1], out.shape[2]
    before, after = max(0, -spans[:, 0].min()), max(0, kept + spans[:, 1].max() - n_frames)
    sums = np.zeros(before + 1 + n_frames + after)  # of all frames up to one, in double precision
    zero = X.dtype.type(0)
    for r in range(X.shape[0]):
        total = 0.0
        for t in range(n_frames):
            total += X[r, t]
            sums[before + 1 + t] = total
        for t in range(before + 1 + n_frames, len(sums)):
            sums[t] = total
        for s in range(len(spans)):
            first, last = spans[s, 0], spans[s, 1]
            if first == last and 0 <= first and kept + first <= n_frames:
                out[s, r] = X[r, first : first + kept]
                continue
            low, high, scale = sums[before + first :], sums[before + last + 1 :], 1.0 / (last - first + 1)
            row = out[s, r]
            for t in range(kept):
                row[t] = max(X.dtype.type((high[t] - low[t]) * scale), zero)


@jit
def minima_over(X: np.ndarray, widths: np.ndarray, out: np.ndarray) -> None:
    """Minima over the windows of some widths that begin at each frame, by windows of half the width, and so on.

    Parameters
    ----------
    X : ndarray, shape (R, N)
    widths : ndarray, shape (S,), int64
        Rising.
    out : ndarray, shape (S, R, N)
        Output; what a window beyond the last frame would hold is left out.
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
