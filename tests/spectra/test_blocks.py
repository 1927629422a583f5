"""Recordings in pieces: every sample once, whatever the blocks that they come in."""

import time

import numpy as np
import pytest

from nmfaudio.audio.signal import resample, resample_blocks
from nmfaudio.spectra.blocks import faded, mended, windows

Y = np.random.default_rng(0).standard_normal((2, 1000))


def in_blocks(y, n=70):
    return (y[..., start : start + n] for start in range(0, y.shape[-1], n))


@pytest.mark.parametrize("n", [1, 70, 5000])
def test_pieces_that_fade_give_the_recording_back(n):
    pieces = []

    def process(y, first):
        pieces.append((first, y.shape[-1]))
        return 2 * y

    np.testing.assert_allclose(np.concatenate(list(faded(in_blocks(Y, n), 200, 50, process)), axis=1), 2 * Y)
    assert [first for first, _ in pieces] == [0, 150, 300, 450, 600, 750]
    assert [size for _, size in pieces] == [200] * 5 + [250]


def test_up_to_one_and_a_half_pieces_are_one():
    assert len(list(faded(in_blocks(Y[:, :300]), 200, 50, lambda y, first: y + 0))) == 1
    assert len(list(faded(in_blocks(Y[:, :301]), 200, 50, lambda y, first: y + 0))) == 2
    assert not list(faded(iter(()), 200, 50, lambda y, first: y))


def test_neighbours_are_faded_into_each_other():
    pieces = faded(in_blocks(0 * Y), 200, 50, lambda y, first: np.full(y.shape, 1.0 * first))
    steps = np.concatenate(list(pieces), axis=1)
    assert (np.diff(steps) >= 0).all() and np.diff(steps).max() < 3.1


@pytest.mark.parametrize("n", [1, 70, 5000])
def test_only_pieces_with_something_lost_are_mended_and_never_cut_in_it(n):
    lost = np.zeros((1, 1000), bool)
    lost[:, 190:215] = lost[:, 730] = True
    seen = []

    def mend(y, gone, first):
        np.testing.assert_array_equal(gone, lost[:, first : first + y.shape[-1]])
        seen.append((first, first + y.shape[-1]))
        return np.where(gone, 0, y)

    numbers = np.arange(1000)[None]
    chunks = zip(in_blocks(Y, n), in_blocks(lost, n), in_blocks(numbers, n), strict=True)
    y, mask, others = (np.concatenate(arrays, axis=1) for arrays in zip(*mended(chunks, 200, 20, mend), strict=True))
    np.testing.assert_array_equal(y, np.where(lost, 0, Y))
    np.testing.assert_array_equal(mask, lost)
    np.testing.assert_array_equal(others, numbers)
    assert seen == [(0, 235), (595, 835)]


def test_what_is_lost_for_long_takes_time_in_proportion_to_its_length():
    y = np.ones((1, 6000))
    chunks = zip(in_blocks(y, 1), in_blocks(y > 0, 1), strict=True)
    start = time.process_time()
    pieces = list(mended(chunks, 200, 20, lambda y, lost, first: 0 * y))
    assert time.process_time() - start < 3  # looking at all that is held for every block takes ten times as long
    assert [piece.shape for piece, _ in pieces] == [y.shape] and not pieces[0][0].any()


@pytest.mark.parametrize(("sr_in", "sr_out"), [(8000, 16000), (44100, 16000), (16000, 16000)])
def test_blocks_are_resampled_as_the_whole(sr_in, sr_out):
    blocks = list(resample_blocks(in_blocks(Y), sr_in, sr_out))
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), resample(Y, sr_in, sr_out))


@pytest.mark.parametrize("lengths", [[1], [40], [3, 1, 9, 2, 25], [7] * 6])
@pytest.mark.parametrize(("past", "future", "step", "size"), [(0, 0, 1, 1), (5, 3, 1, 1), (8, 4, 4, 4), (2, 9, 1, 12)])
def test_each_frame_is_in_one_window_with_all_its_context(lengths, past, future, step, size):
    n = sum(lengths)
    chunks = ((part,) for part in np.split(np.arange(n), np.cumsum(lengths)[:-1]))
    done = 0
    for (frames,), now in windows(chunks, past, future, step, lambda chunk: size):
        start, stop = frames[now][0], frames[now][-1] + 1
        assert start == done and start % step == 0
        assert frames[0] <= max(0, start - past) and frames[-1] >= min(n, stop + future) - 1
        assert (np.diff(frames) == 1).all()
        done = stop
    assert done == n
