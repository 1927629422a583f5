"""Kernels for medians, against their literal twins."""

import numpy as np
import pytest

from nmfaudio.kernels.medians import medians_of, most_similar, running_medians

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@DTYPES
@pytest.mark.parametrize("reach", [0, 1, 4, 11])
def test_running_medians_are_those_of_the_reflected_rows(reach, dtype):
    X = np.random.default_rng(0).random((3, 12)).astype(dtype)
    X[1, 3:8] = X[1, 0]  # ties
    out = np.empty_like(X)
    running_medians(X, reach, out)
    padded = np.pad(X, ((0, 0), (reach, reach)), mode="symmetric")
    want = [[np.median(row[t : t + 2 * reach + 1]) for t in range(12)] for row in padded]
    np.testing.assert_array_equal(out, np.array(want, dtype))


def test_rows_that_do_not_follow_each_other_in_memory_are_read_too():
    X = np.random.default_rng(0).random((4, 20)).astype(np.float32)
    out, part = np.empty_like(X), np.zeros_like(X)
    running_medians(np.ascontiguousarray(X[:, 5:15]), 2, out[:, 5:15])
    running_medians(X[:, 5:15], 2, part[:, 5:15])
    np.testing.assert_array_equal(out[:, 5:15], part[:, 5:15])
    assert not part[:, :5].any() and not part[:, 15:].any()


def peaks(row, apart, most):
    """Columns that no other within reach is above; of equal ones the first."""
    found = []
    for u, height in enumerate(row):
        near = [v for v in range(max(0, u - apart), min(len(row), u + apart + 1)) if v != u]
        if height >= 0 and all(row[v] < height or (row[v] == height and v > u) for v in near):
            found.append(u)
    return sorted(found, key=lambda u: -row[u])[:most]


@pytest.mark.parametrize("apart", [1, 3])
@pytest.mark.parametrize("most", [2, 9])
def test_the_most_similar_frames_are_the_highest_peaks(most, apart):
    similarity = np.random.default_rng(0).random((5, 30)).astype(np.float32)
    similarity[:, 20:] = -1
    similarity[1] = similarity[1].round(1)  # ties
    numbers, n_found = np.zeros((5, most), np.int64), np.zeros(5, np.int64)
    most_similar(similarity, apart, numbers, n_found)
    for row, columns, n in zip(similarity, numbers, n_found, strict=True):
        assert list(columns[:n]) == peaks(row, apart, most)


def test_medians_of_rows_are_those_of_numpy():
    rng = np.random.default_rng(0)
    rows, numbers = rng.random((10, 4)).astype(np.float32), rng.integers(0, 10, (3, 6))
    n_found, out = np.array([1, 5, 6]), np.empty((3, 4), np.float32)
    medians_of(rows, numbers, n_found, out)
    for median, columns, n in zip(out, numbers, n_found, strict=True):
        np.testing.assert_array_equal(median, np.quantile(rows[columns[:n]], 0.5, axis=0, method="lower"))
