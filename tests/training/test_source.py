"""Atoms of one source."""

import numpy as np
import pytest

from nmfaudio import NmfaudioError
from nmfaudio.training.source import source_atoms, train_dictionary

ONES = np.ones((9, 5))


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([np.where(np.eye(9, 5), np.nan, 1)], "NaN, infinity or negative"),
        ([ONES, -ONES], "NaN, infinity or negative"),
        ([ONES, np.ones((8, 5))], "a block of 8 bins after blocks of 9"),
        ([np.zeros((9, 5)), np.zeros((9, 0))], "nothing to train on but silence"),
    ],
)
def test_blocks_that_cannot_be_learnt_from_are_refused(blocks, message):
    with pytest.raises(NmfaudioError, match=message):
        source_atoms(blocks, n_components=2, n_iter=1)


def test_recordings_are_checked_and_integers_are_scaled():
    y = np.random.default_rng(0).uniform(-0.5, 0.5, 4000)
    pcm = np.rint(y * 32768).astype(np.int16)
    of_pcm, of_float = (train_dictionary("hiss", [x], 8000, n_components=2).arrays["hiss"] for x in (pcm, pcm / 32768))
    np.testing.assert_allclose(of_pcm, of_float, rtol=1e-3, atol=1e-5)
    for broken, message in ((np.where(y > 0.4, np.nan, y), "sample .* is nan"), (y[None, None], r"\(1, 1, 4000\)")):
        with pytest.raises(NmfaudioError, match=message):
            train_dictionary("hiss", [broken], 8000)
