"""Medians along rows, and over frames that are alike."""

import numpy as np

from ._jit import jit


@jit
def running_medians(X, reach, out):
    """Find the median of each value and of `reach` values to both sides in its row; edges are reflected.

    Parameters
    ----------
    X : ndarray, shape (R, N)
    reach : int
        Less than N.
    out : ndarray, shape (R, N)
        Output.
    """
    n, size = X.shape[1], 2 * reach + 1
    around, window = np.empty(n + 2 * reach, X.dtype), np.empty(size, X.dtype)
    for r in range(len(X)):
        around[reach : reach + n] = X[r]
        around[:reach] = X[r, :reach][::-1]
        around[reach + n :] = X[r, n - reach :][::-1]
        window[:] = np.sort(around[:size])
        out[r, 0] = window[reach]
        for t in range(1, n):
            old, new = around[t - 1], around[t + size - 1]
            i = 0
            while i < size - 1 and window[i] < old:
                i += 1
            while i < size - 1 and window[i + 1] < new:
                window[i] = window[i + 1]
                i += 1
            while i > 0 and window[i - 1] > new:
                window[i] = window[i - 1]
                i -= 1
            window[i] = new
            out[r, t] = window[reach]


@jit
def most_similar(similarity, apart, numbers, n_found):
    """Find the columns of the highest peaks of each row.

    Parameters
    ----------
    similarity : ndarray, shape (T, N)
        Columns below 0 do not count.
    apart : int
        A peak is at least as high as so many columns to both sides.
    numbers : ndarray, shape (T, most), int64
        Output: columns, the highest first.
    n_found : ndarray, shape (T,), int64
        Output: number of columns.
    """
    n, most = similarity.shape[1], numbers.shape[1]
    heights = np.empty(most, similarity.dtype)
    for t in range(len(similarity)):
        row, found = similarity[t], 0
        for u in range(n):
            height = row[u]
            if height < 0 or (found == most and height <= heights[most - 1]):
                continue
            highest = True
            for other in range(max(0, u - apart), min(n, u + apart + 1)):
                highest = highest and (row[other] < height or (row[other] == height and other >= u))
            if highest:
                found = min(found + 1, most)
                i = found - 1
                while i > 0 and heights[i - 1] < height:
                    heights[i], numbers[t, i] = heights[i - 1], numbers[t, i - 1]
                    i -= 1
                heights[i], numbers[t, i] = height, u
        n_found[t] = found


@jit
def medians_of(rows, numbers, n_found, out):
    """Find the median of some rows, value by value.

    Parameters
    ----------
    rows : ndarray, shape (N, F)
    numbers : ndarray, shape (T, most), int64
        Rows for each row of the output.
    n_found : ndarray, shape (T,), int64
        Number of them that count, 1 or more.
    out : ndarray, shape (T, F)
        Output; the lower one of two medians.
    """
    window = np.empty(numbers.shape[1], rows.dtype)
    for t in range(len(out)):
        n = n_found[t]
        for f in range(rows.shape[1]):
            for k in range(n):
                value, i = rows[numbers[t, k], f], k
                while i > 0 and window[i - 1] > value:
                    window[i] = window[i - 1]
                    i -= 1
                window[i] = value
            out[t, f] = window[(n - 1) // 2]
