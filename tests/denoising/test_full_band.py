"""What the seconds around a frame do to its mask."""

import numpy as np
import pytest

from nmfaudio.denoising.full_band import FullBandMask, FullBandMaskStream

F = 64


@pytest.fixture
def scene():
    """Power of steady noise with bursts of speech, and a mask that knows the bursts: (power, mask, speaking)."""
    rng = np.random.default_rng(0)
    speaking = (np.arange(400) // 40) % 2 == 1
    power = rng.exponential(1.0, (F + 100, 400)) + 50 * speaking * rng.exponential(1.0, (F + 100, 400))
    mask = np.tile(np.where(speaking, 0.9, 0.01), (F, 1))
    return power.astype(np.float32), mask.astype(np.float32), speaking


@pytest.mark.parametrize("ahead", [True, False])
def test_above_the_modelled_band_noise_between_words_goes_and_consonants_stay(scene, ahead):
    power, mask, speaking = scene
    cleaned = FullBandMask.around(ahead, F)(power, mask)[F:] ** 2 * power[F:]
    assert 10 * np.log10(power[F:, ~speaking].mean() / cleaned[:, ~speaking].mean()) > 15
    assert cleaned[:, speaking].mean() > 0.8 * power[F:, speaking].mean()


def test_above_the_modelled_band_some_of_a_voice_that_reaches_there_is_left_always(scene):
    power, mask, speaking = scene
    vowels = speaking & (np.arange(400) % 40 >= 10)
    power[F:, ~speaking | vowels] = 1  # no more than in the pauses
    above = FullBandMask.around(False, F)(power, mask)[F:, vowels & (np.arange(400) % 40 >= 12)]  # smoothed over 3
    np.testing.assert_allclose(above, 0.15, rtol=1e-3)


@pytest.mark.parametrize("ahead", [True, False])
def test_a_voice_that_does_not_reach_a_band_does_not_open_it_to_the_noise(scene, ahead):
    power, mask, speaking = scene
    power[F + 32 :] = np.random.default_rng(1).exponential(1.0, power[F + 32 :].shape)
    cleaned = FullBandMask.around(ahead, F)(power, mask) ** 2 * power
    low, high = slice(F, F + 32), slice(F + 32, None)
    assert cleaned[low, speaking].mean() > 0.8 * power[low, speaking].mean()
    known = speaking & (np.arange(400) >= (0 if ahead else 200))  # a stream has to hear a voice first
    assert 10 * np.log10(power[high, known].mean() / cleaned[high, known].mean()) > 30


def test_a_stream_opens_a_band_at_once_to_a_voice_that_reaches_there_after_one_that_does_not(scene):
    power, mask, speaking = scene
    first = np.arange(400) < 280  # the voice from 280 on is a second one
    power[F + 32 :, first] = np.random.default_rng(1).exponential(1.0, power[F + 32 :, first].shape)
    cleaned = FullBandMask.around(False, F)(power, mask) ** 2 * power
    second = speaking & ~first
    assert cleaned[F + 32 :, second].mean() > 0.8 * power[F + 32 :, second].mean()


def test_weak_sounds_are_kept_in_a_clean_recording_and_not_in_a_noisy_one():
    power = np.ones((F, 100), np.float32)
    mask = np.full((F, 100), 0.999, np.float32)
    mask[:, 50] = 0.5
    assert FullBandMask.around(True, F)(power, mask)[:, 50].min() > 0.9
    noisy = np.full((F, 100), 0.3, np.float32)
    noisy[:, 50] = 0.5
    np.testing.assert_allclose(FullBandMask.around(True, F)(power, noisy)[:, 50], 0.5, atol=0.01)


def test_mask_does_not_depend_on_level(scene):
    power, mask, _ = scene
    band = FullBandMask.around(True, F)
    np.testing.assert_allclose(band(power * np.float32(1e-6), mask), band(power, mask), rtol=1e-4, atol=1e-6)


def test_silence_stays_finite():
    power, mask = np.zeros((F + 9, 30), np.float32), np.zeros((F, 30), np.float32)
    assert np.isfinite(FullBandMask.around(True, F)(power, mask)).all()


def test_a_recording_without_noise_is_kept():
    mask = FullBandMask.around(True, F)(np.full((F, 30), 10, np.float32), np.ones((F, 30), np.float32))
    np.testing.assert_allclose(mask, 1)


def test_a_narrow_recording_has_a_narrow_mask(scene):
    power, mask, _ = scene
    assert FullBandMask.around(True, F)(power[:20], mask).shape == (20, 400)


def test_a_frame_depends_on_its_window_alone(scene):
    power, mask, _ = scene
    band = FullBandMask(10, 5, F, 20)
    part = band(power[:, 100:200], mask[:, 100:200])
    np.testing.assert_allclose(part[:, 40:90], band(power, mask)[:, 140:190], rtol=1e-5)


def test_a_mask_above_the_bins_has_its_say_beside_the_statistics(scene):
    power, mask, speaking = scene
    band, own = FullBandMask.around(True, F), np.full((len(power) - F, power.shape[1]), 0.5, np.float32)
    own[:, speaking] = 0.8
    without, given = band(power, mask), band(power, np.concatenate([mask, own]))
    assert (given[F:] <= np.maximum(without[F:], 0.95) + 1e-5).all()
    np.testing.assert_array_equal(np.sign(given[F:] - without[F:])[:, speaking & (without[F:].min(axis=0) > 0.9)], -1)
    closed = band(power, np.concatenate([mask, np.zeros_like(own)]))
    assert not closed[F:].any()


@pytest.mark.parametrize("n_own", [0, 100])
def test_stream_gives_the_same(scene, n_own):
    power, mask, _ = scene
    mask = np.concatenate([mask, mask[:1].repeat(n_own, axis=0)])
    stream = FullBandMaskStream(FullBandMask.around(False, F), len(power))
    for _ in range(2):
        one_by_one = np.stack([stream.push(power[:, t], mask[:, t]) for t in range(power.shape[1])], axis=1)
        np.testing.assert_allclose(one_by_one, FullBandMask.around(False, F)(power, mask), rtol=1e-4, atol=1e-6)
        stream.reset()
