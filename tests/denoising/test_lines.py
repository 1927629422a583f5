"""Hum goes, between the words and under them."""

import tracemalloc

import numpy as np
import pytest
from signals import voice_in_noise

from nmfaudio import Denoiser
from nmfaudio.denoising.lines import lines_apart

SR = 16_000


def level_db(y, hz):
    """Level of a steady tone."""
    return 20 * np.log10(np.abs(np.mean(y * np.exp(-2j * np.pi * hz * np.arange(len(y)) / SR))) + 1e-12)


def hum(seconds):
    t = np.arange(int(seconds * SR)) / SR
    return sum(0.02 / k * np.sin(2 * np.pi * 50 * k * t + k) for k in (1, 2, 3)).astype(np.float32)


def apart(y, block=5000):
    blocks = [y[None, i : i + block] for i in range(0, len(y), block)]
    return np.concatenate(list(lines_apart(blocks, SR)), axis=2)[:, 0]


def test_steady_lines_are_parted_and_the_voice_is_not():
    speech, _ = voice_in_noise(SR, seconds=16)
    y = (speech + hum(16)).astype(np.float32)
    rest, lines = apart(y)
    np.testing.assert_allclose(rest + lines, y, atol=1e-6)
    middle = slice(3 * SR, -3 * SR)
    for hz in (50, 100, 150):
        assert level_db(rest[middle], hz) < level_db(y[middle], hz) - 20
    assert np.mean((rest - speech)[middle] ** 2) < 0.05 * np.mean(hum(16) ** 2)


def test_without_lines_nothing_is_taken():
    speech, noise = voice_in_noise(SR, seconds=16)
    _, lines = apart((speech + noise).astype(np.float32))
    assert np.mean(lines**2) < 1e-4 * np.mean((speech + noise) ** 2)
    _, lines = apart(hum(3))  # too short to tell
    assert not lines.any()


def test_blocks_do_not_matter():
    y = hum(20) + np.random.default_rng(0).standard_normal(20 * SR).astype(np.float32) * np.float32(0.01)
    np.testing.assert_allclose(apart(y, 7001), apart(y, 64_000), atol=1e-6)


def test_memory_does_not_grow_with_the_length_of_a_block():
    peaks = []
    for seconds in (80, 240):
        y = np.random.default_rng(0).standard_normal((2, seconds * 44_100), np.float32)
        tracemalloc.start()
        try:
            for _ in lines_apart([y], 44_100):
                pass
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize("limit_db", [6.0, 40.0])
def test_hum_under_words_is_lowered_like_hum_between_them(limit_db):
    speech, _ = voice_in_noise(SR, seconds=20)
    clean = np.concatenate([np.zeros(4 * SR), speech, np.zeros(4 * SR)])
    y = (clean + hum(28)).astype(np.float32)
    cleaned = Denoiser(attenuation_limit_db=limit_db)(y, SR)
    pause, words = slice(SR, 3 * SR), slice(7 * SR, 21 * SR)
    for hz in (50, 150):
        before = level_db(hum(28)[words], hz)
        assert level_db(cleaned[words], hz) < before - min(limit_db, 20) + 1
        assert level_db(cleaned[pause], hz) > before - limit_db - 3  # the limit holds


def test_tones_are_kept_if_that_is_said():
    speech, noise = voice_in_noise(SR, seconds=20)
    fork = (0.1 * np.sin(2 * np.pi * 440 * np.arange(20 * SR) / SR)).astype(np.float32)
    y, middle = (speech + 0.1 * noise + fork).astype(np.float32), slice(4 * SR, -4 * SR)
    lowered, kept = (Denoiser("speech-fast", keep_tones=keep)(y, SR) for keep in (False, True))
    assert level_db(lowered[middle], 440) < level_db(fork[middle], 440) - 15
    assert level_db(kept[middle], 440) == pytest.approx(level_db(fork[middle], 440), abs=1)
    assert np.mean((kept - fork - lowered)[middle] ** 2) < 0.05 * np.mean(fork**2)  # nothing else
