"""Hum goes, between the words and under them."""

import tracemalloc

import numpy as np
import pytest
from signals import voice_in_noise

from nmfaudio import Denoiser, StreamingDenoiser
from nmfaudio.denoising.lines import LineStream, split_lines

SR = 16_000


def level_db(y, hz):
    """Level of a steady tone."""
    return 20 * np.log10(np.abs(np.mean(y * np.exp(-2j * np.pi * hz * np.arange(len(y)) / SR))) + 1e-12)


def hum(seconds, base_hz=50.0, sway_hz=0.0):
    """Mains hum, whose frequency may sway by `sway_hz` within 20 s."""
    t = np.arange(int(seconds * SR)) / SR
    turns = base_hz * t - sway_hz * 10 / np.pi * (np.cos(np.pi * t / 10) - 1)
    return sum(0.02 / k * np.sin(2 * np.pi * k * turns + k) for k in (1, 2, 3)).astype(np.float32)


def apart(y, block=5000):
    blocks = [np.atleast_2d(y)[:, i : i + block] for i in range(0, y.shape[-1], block)]
    return np.concatenate(list(split_lines(blocks, SR)), axis=2).reshape(2, *y.shape)


def streamed(y, block=5000):
    stream = LineStream(SR, 1)
    return np.concatenate([stream.push(y[None, i : i + block]) for i in range(0, len(y), block)], axis=2)[:, 0]


WAYS = pytest.mark.parametrize("way", [apart, streamed])


def lowered_db(left, hum):
    """By how much a hum is lowered."""
    return 10 * np.log10(np.mean(hum**2) / (np.mean(left**2) + 1e-12))


@WAYS
@pytest.mark.parametrize("base_hz", [50.0, 60.0, 49.93])
def test_steady_lines_are_parted_and_the_voice_is_not(way, base_hz):
    speech, noise = voice_in_noise(SR, seconds=16)
    without = speech + 0.02 * noise
    y = (without + hum(16, base_hz)).astype(np.float32)
    rest, lines = way(y)
    np.testing.assert_allclose(rest + lines, y, atol=1e-6)
    later = slice(6 * SR, None)  # a stream knows of a hum after a while
    assert lowered_db((rest - without)[later], hum(16, base_hz)[later]) > 26


@WAYS
def test_a_hum_that_sways_is_followed(way):
    noise = 0.002 * np.random.default_rng(0).standard_normal(30 * SR)
    left = way((noise + hum(30, sway_hz=0.03)).astype(np.float32))[0] - noise
    assert lowered_db(left[6 * SR :], hum(30)[6 * SR :]) > 15


@WAYS
def test_a_hum_that_swells_is_followed(way):
    noise = 0.0005 * np.random.default_rng(0).standard_normal(16 * SR)
    swelling = hum(16) * np.exp(np.arange(16 * SR) / (8 * SR))
    left = way((noise + swelling).astype(np.float32))[0] - noise
    assert lowered_db(left[8 * SR : -SR], swelling[8 * SR : -SR]) > 27


@WAYS
def test_a_hum_that_a_voice_covers_goes_on(way):
    t = np.arange(16 * SR) / SR
    voice = np.where((t > 8) & (t < 11), 0.3, 0) * np.sin(2 * np.pi * (104 * t + 3 * np.sin(2 * np.pi * 0.7 * t)))
    noise = 0.002 * np.random.default_rng(0).standard_normal(len(t))
    rest, _ = way((voice + noise + hum(16)).astype(np.float32))
    assert lowered_db((rest - voice - noise)[8 * SR : 11 * SR], hum(16)[8 * SR : 11 * SR]) > 15


@WAYS
def test_a_part_of_a_hum_that_a_voice_hides_is_known_from_the_others(way):
    t = np.arange(16 * SR) / SR
    voice = np.where(t % 0.7 < 0.4, 0.3, 0) * np.sin(2 * np.pi * (101 * t + 2 * np.sin(2 * np.pi * 1.3 * t)))
    without = voice + 0.002 * np.random.default_rng(0).standard_normal(len(t))
    rest, _ = way((without + hum(16)).astype(np.float32))
    later = slice(8 * SR, None)
    for hz in (50, 100, 150):
        assert level_db((rest - without)[later], hz) < level_db(hum(16)[later], hz) - 27


@WAYS
def test_of_a_hum_without_its_lowest_line_the_odd_ones_are_known_too(way):
    t = np.arange(16 * SR) / SR
    voice = np.where(t % 0.7 < 0.4, 0.3, 0) * np.sin(2 * np.pi * (151 * t + 2 * np.sin(2 * np.pi * 1.3 * t)))
    without = voice + 0.002 * np.random.default_rng(0).standard_normal(len(t))
    lines = sum(0.02 * np.sin(2 * np.pi * hz * t + hz) for hz in (100, 150))
    rest, _ = way((without + lines).astype(np.float32))
    later = slice(8 * SR, None)
    assert level_db((rest - without)[later], 150) < level_db(lines[later], 150) - 20


@WAYS
def test_a_line_that_ends_while_others_go_on_is_not_made_up(way):
    t = np.arange(24 * SR) / SR
    noise = 0.002 * np.random.default_rng(0).standard_normal(len(t))
    lines = [0.02 * np.sin(2 * np.pi * 50 * t), 0.02 * np.sin(2 * np.pi * 150 * t) * (t < 10)]
    rest, _ = way((noise + sum(lines)).astype(np.float32))
    later = slice(18 * SR, None)
    assert level_db(rest[later], 150) < level_db(lines[1][: 10 * SR], 150) - 30


@WAYS
def test_lines_grow_with_the_level(way):
    y = (voice_in_noise(SR, seconds=8)[1] * 0.01 + hum(8)).astype(np.float32)
    loud, quiet = (way(np.float32(gain) * y)[1] / gain for gain in (1, 1e-4))
    np.testing.assert_allclose(quiet, loud, atol=1e-5 * np.abs(loud).max())


@WAYS
@pytest.mark.parametrize("gain", [1e-30, 1, 1e10])
def test_a_hum_and_nothing_else_goes_and_silence_stays(way, gain):
    y = np.concatenate([hum(8), np.zeros(6 * SR, np.float32), hum(8)]) * np.float32(gain)
    with np.errstate(all="raise", under="ignore"):
        rest, lines = way(y)
    assert lowered_db(rest[6 * SR : 7 * SR] / gain, hum(1)) > 50
    assert not lines[11 * SR : 12 * SR].any()


def test_each_channel_has_its_own_hum():
    noise = 0.002 * np.random.default_rng(0).standard_normal((2, 10 * SR))
    both = np.stack([hum(10), -0.3 * np.roll(hum(10), 50)])
    _, lines = apart((noise + both).astype(np.float32))
    for line, true in zip(lines, both, strict=True):
        assert lowered_db(line - true, true) > 25


def test_without_lines_nothing_is_taken():
    speech, noise = voice_in_noise(SR, seconds=16)
    _, lines = apart((speech + noise).astype(np.float32))
    assert np.mean(lines**2) < 1e-4 * np.mean((speech + noise) ** 2)
    _, lines = apart(hum(3.9))  # too short to tell
    assert not lines.any()
    assert apart(hum(5))[1].any()


@WAYS
def test_blocks_do_not_matter(way):
    y = hum(12) + np.random.default_rng(0).standard_normal(12 * SR).astype(np.float32) * np.float32(0.01)
    np.testing.assert_allclose(way(y, 7001), way(y, 64_000), atol=1e-6)


@pytest.mark.needs_jit
def test_a_stream_takes_out_hum_as_a_file_does():
    speech, _ = voice_in_noise(SR, seconds=16)
    y = (speech + hum(16)).astype(np.float32)
    stream, whole = StreamingDenoiser("speech-causal-fast", sr=SR), Denoiser("speech-causal-fast")(y, SR)
    out = np.concatenate([*(stream.process(y[i : i + 999]) for i in range(0, len(y), 999)), stream.flush()])
    np.testing.assert_allclose(out[stream.latency :], whole, atol=5e-5)
    words = slice(6 * SR, None)
    for hz in (50, 100, 150):
        assert level_db(whole[words], hz) < level_db(hum(16)[words], hz) - 20
    kept = Denoiser("speech-causal-fast", keep_tones=True)(y, SR)
    stream = StreamingDenoiser("speech-causal-fast", sr=SR, keep_tones=True)
    out = np.concatenate([stream.process(y), stream.flush()])
    np.testing.assert_allclose(out[stream.latency :], kept, atol=5e-5)
    assert level_db(kept[words], 50) == pytest.approx(level_db(y[words], 50), abs=1)


def test_memory_does_not_grow_with_the_length_of_a_block():
    peaks = []
    for seconds in (80, 240):
        y = np.random.default_rng(0).standard_normal((2, seconds * 44_100), np.float32)
        tracemalloc.start()
        try:
            for _ in split_lines([y], 44_100):
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
