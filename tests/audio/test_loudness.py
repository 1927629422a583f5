"""Loudness against the test signals of EBU Tech 3341, and what is given another loudness."""

import math

import numpy as np
import pytest
from signals import real_recording

from nmfaudio import NmfaudioError
from nmfaudio.audio.loudness import LoudnessMeter, limited, loudness, true_peak_db, with_loudness

SR = 48000


def sine(*parts, hz=1000, sr=SR, channels=2):
    """Parts of (level in dBFS, seconds) one after the other."""
    levels = np.concatenate([np.full(round(s * sr), 10 ** (db / 20)) for db, s in parts])
    return np.tile(levels * np.sin(2 * np.pi * hz * np.arange(len(levels)) / sr), (channels, 1))


def voice(gain_db=0.0):
    y = real_recording(SR)[0]
    return (y[np.newaxis] * 10 ** (gain_db / 20)).astype(np.float32), SR


def blocks(y, size):
    return (y[:, start : start + size] for start in range(0, y.shape[1], size))


def whole(pieces):
    return np.concatenate(list(pieces), axis=1)


@pytest.mark.parametrize(
    "parts, lufs",
    [
        ([(-23, 20)], -23),
        ([(-33, 20)], -33),
        ([(-36, 10), (-23, 60), (-36, 10)], -23),
        ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23),
        ([(-26, 20), (-20, 20.1), (-26, 20)], -23),
    ],
)
def test_the_signals_of_tech_3341(parts, lufs):
    assert loudness(sine(*parts), SR) == pytest.approx(lufs, abs=0.1)


@pytest.mark.parametrize("sr", [8000, 16000, 44100, 96000])
def test_the_rate_does_not_matter(sr):
    assert loudness(sine((-23, 5), sr=sr), sr) == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize("sr", [1000, 2000, 3364])
def test_at_rates_below_the_treble_of_the_weighting_its_bass_holds(sr):
    at_usual_rate = loudness(sine((-23, 5), hz=sr / 10), SR)
    assert loudness(sine((-23, 30), hz=sr / 10, sr=sr), sr) == pytest.approx(at_usual_rate, abs=2)


def test_surround_channels_have_their_weights():
    y = sine((-24, 5), channels=6)
    y[:2] *= 10 ** (-4 / 20)
    y[4:] *= 10 ** (-6 / 20)
    y[3] = 1  # of the subwoofer, which does not count
    assert loudness(y, SR) == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize(
    "hz, degrees, peak_db", [(SR / 4, 0, -6), (SR / 4, 45, -6), (SR / 6, 60, -6), (SR / 8, 67.5, -6)]
)
def test_peaks_between_samples_are_found(hz, degrees, peak_db):
    y = 0.5 * np.sin(2 * np.pi * hz * np.arange(SR) / SR + np.radians(degrees)) * np.hanning(SR)
    assert -0.4 < true_peak_db(y, SR) - peak_db < 0.2


@pytest.mark.parametrize("size", [1000, 12345])
def test_blocks_of_any_length_give_the_same(size):
    y, sr = voice()
    meter = LoudnessMeter(sr)
    for block in blocks(y, size):
        meter.push(block)
    assert meter.lufs == pytest.approx(loudness(y, sr), abs=1e-6)
    expected = whole(with_loudness([y], sr, -14))
    np.testing.assert_allclose(whole(with_loudness(blocks(y, size), sr, -14)), expected, atol=1e-5)


@pytest.mark.parametrize("gain_db", [-40, 0, 20])
@pytest.mark.parametrize("lufs", [-30, -16])
def test_a_voice_of_any_level_gets_its_loudness_below_the_ceiling(gain_db, lufs):
    y, sr = voice(gain_db)
    out = whole(with_loudness([y], sr, lufs))
    assert out.shape == y.shape
    assert loudness(out, sr) == pytest.approx(lufs, abs=0.1)
    assert true_peak_db(out, sr) < -0.9


def test_where_peaks_have_room_nothing_but_a_gain_is_applied():
    y, sr = voice()
    out = whole(with_loudness([y], sr, -40))
    np.testing.assert_allclose(out, y * (np.abs(out).max() / np.abs(y).max()), atol=1e-7)


def test_a_peak_is_lowered_and_what_is_far_from_it_is_not():
    y = sine((-20, 1), channels=2)
    y[0, SR // 2] = 2
    out = whole(limited([y], SR, 0.0))
    assert np.abs(out).max() < 10 ** (-0.9 / 20)
    far = np.abs(np.arange(SR) - SR // 2) > 0.05 * SR
    np.testing.assert_allclose(out[:, far], y[:, far], atol=1e-6)
    assert np.abs(out[1, SR // 2 - 500 : SR // 2 + 500]).max() < 0.99 * np.abs(y[1]).max()  # both channels, as one


@pytest.mark.parametrize("n", [0, 1, 5000])
def test_silence_stays_silence(n):
    out = list(with_loudness([np.zeros((2, n), np.float32)], SR, -16))
    assert sum(block.shape[1] for block in out) == n
    assert not any(block.any() for block in out)
    assert loudness(np.zeros((2, n)), SR) == true_peak_db(np.zeros((2, n)), SR) == -math.inf


@pytest.mark.parametrize("lufs", [1, -71, math.nan, "loud"])
def test_no_such_loudness(lufs):
    with pytest.raises(NmfaudioError, match="loudness must be|lufs must be a finite number"):
        list(with_loudness([np.ones((1, 10), np.float32)], SR, lufs))
