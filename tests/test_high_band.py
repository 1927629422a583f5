"""What happens above the band that a dictionary knows."""

import numpy as np
import pytest

from nmfaudio.high_band import HighBand, HighBandStream


@pytest.fixture
def scene():
    """Power of steady noise with bursts of speech, and a mask that knows the bursts: (power, mask, speaking)."""
    rng = np.random.default_rng(0)
    speaking = (np.arange(400) // 40) % 2 == 1
    power = rng.exponential(1.0, (100, 400)) + 50 * speaking * rng.exponential(1.0, (100, 400))
    mask = np.tile(np.where(speaking, 0.9, 0.01), (64, 1))
    return power.astype(np.float32), mask.astype(np.float32), speaking


@pytest.mark.parametrize("ahead", [True, False])
def test_noise_between_words_goes_and_consonants_stay(scene, ahead):
    power, mask, speaking = scene
    gain = HighBand.looking(ahead)(power, mask)
    cleaned = gain**2 * power
    assert 10 * np.log10(power[:, ~speaking].mean() / cleaned[:, ~speaking].mean()) > 20
    assert cleaned[:, speaking].mean() > 0.8 * power[:, speaking].mean()


def test_gain_does_not_depend_on_level(scene):
    power, mask, _ = scene
    high_band = HighBand.looking(True)
    np.testing.assert_allclose(high_band(power * np.float32(1e-6), mask), high_band(power, mask), rtol=1e-4, atol=1e-6)


def test_silence_stays_silent_and_finite():
    gain = HighBand.looking(True)(np.zeros((10, 30), np.float32), np.zeros((8, 30), np.float32))
    assert np.isfinite(gain).all()


def test_a_frame_depends_on_its_neighbourhood_alone(scene):
    power, mask, _ = scene
    high_band = HighBand(past=20, future=5)
    whole = high_band(power, mask)
    part = high_band(power[:, 100:200], mask[:, 100:200])
    np.testing.assert_allclose(part[:, 20:95], whole[:, 120:195], rtol=1e-5)


def test_stream_gives_the_same(scene):
    power, mask, _ = scene
    stream = HighBandStream(HighBand.looking(False), len(power))
    for _ in range(2):
        one_by_one = np.stack([stream.push(power[:, t], mask[:, t]) for t in range(power.shape[1])], axis=1)
        np.testing.assert_allclose(one_by_one, HighBand.looking(False)(power, mask), rtol=1e-4, atol=1e-6)
        stream.reset()
