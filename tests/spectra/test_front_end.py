import numpy as np
import pytest

from nmfaudio import FrontEnd
from nmfaudio.errors import DictionaryError

WIDE = FrontEnd(48_000, exponent=0.6, n_high=24)


@pytest.mark.parametrize(
    "sr, n_high", [(8000, 0), (16_000, 0), (22_050, 8), (32_000, 18), (44_100, 24), (48_000, 24), (96_000, 24)]
)
def test_a_recording_has_the_bands_that_its_rate_leaves(sr, n_high):
    V = WIDE.spectrogram(np.random.default_rng(0).standard_normal(sr).astype(np.float32), sr)
    assert V.shape == (257 + n_high, len(V[0])) and V.dtype == np.float32
    assert (V[: min(257, sr // 62)].mean(axis=1) > 0).all() and (V[257:] > 0).all()


def test_a_band_is_the_mean_power_of_its_bins_and_bins_stay_bins():
    power = np.random.default_rng(0).random((769, 5))
    edges = WIDE.high_edges
    V = WIDE.compressed(power)
    np.testing.assert_allclose(V[:257], power[:257] ** 0.3)
    for i in range(24):
        np.testing.assert_allclose(V[257 + i], power[edges[i] : edges[i + 1]].mean(axis=0) ** 0.3)
    assert edges[0] == 257 and edges[-1] == 640 and (np.diff(edges) >= 8).all()
    np.testing.assert_array_equal(WIDE.compressed(power, 3), V[:260])


def test_masks_of_bands_lie_smoothly_over_their_bins():
    mask = np.random.default_rng(0).random((257 + 24, 4)).astype(np.float32)
    whole = WIDE.over_bins(mask, 769)
    np.testing.assert_array_equal(whole[:257], mask[:257])
    assert whole.shape == (769, 4)
    assert (whole[257:] <= mask[257:].max(axis=0) + 1e-6).all() and (whole[257:] >= mask[257:].min(axis=0) - 1e-6).all()
    np.testing.assert_allclose(whole[-100:], np.tile(mask[-1], (100, 1)), rtol=1e-5)  # nothing is known up there
    assert WIDE.over_bins(mask[:257], 257).shape == (257, 4)  # no bands


@pytest.mark.parametrize("options", [{"n_high": -1}, {"n_high": 2.5}, {"n_high": 4, "high_hz": 7000.0}])
def test_bands_that_cannot_be_are_refused(options):
    with pytest.raises(DictionaryError, match="front end: (n_high|high_hz)"):
        FrontEnd(**options)
