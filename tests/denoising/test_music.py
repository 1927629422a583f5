import numpy as np
import pytest
from signals import real_recording

from nmfaudio.denoising.music import MOSTLY, MusicMeter

SR = 16000
T = np.arange(20 * SR) / SR


def share(y, sr=SR, size=2 * SR):
    meter = MusicMeter(sr)
    for start in range(0, len(y), size):
        meter.push(y[np.newaxis, start : start + size])
    return meter.share


def chords():
    """Four notes of six partials each, others each second."""
    rng = np.random.default_rng(0)
    y = np.zeros(len(T))
    for start in range(20):
        part = slice(start * SR, (start + 1) * SR)
        for hz in 220 * 2 ** (rng.choice(24, 4, replace=False) / 12):
            y[part] += sum(np.sin(2 * np.pi * k * hz * T[part]) / k for k in range(1, 7)) * np.hanning(SR) ** 0.2
    return 0.05 * y


def test_chords_are_music():
    y = chords()
    assert share(y) > 0.7
    assert share(1e-3 * y) == pytest.approx(share(y), abs=0.01)
    assert share(np.repeat(y, 3), 3 * SR, 6 * SR) > 0.7


def test_pauses_between_music_do_not_count():
    y = np.concatenate([chords()[: 6 * SR], 1e-6 * np.random.default_rng(0).standard_normal(4 * SR)])
    assert share(y) == pytest.approx(share(chords()[: 6 * SR]), abs=0.1)


def test_a_voice_is_not():
    for y in real_recording():
        assert share(np.tile(y, 3)) < MOSTLY / 2


@pytest.mark.parametrize(
    "y",
    [
        np.random.default_rng(0).standard_normal(len(T)),
        sum(np.sin(2 * np.pi * 100 * k * T) for k in range(1, 20)),  # a hum
        np.sin(2 * np.pi * (300 * T + 30 * T**2)),  # a siren
        np.zeros(len(T)),
        chords()[: 2 * SR],  # too short to tell
    ],
    ids=["noise", "hum", "siren", "silence", "short"],
)
def test_what_is_no_music(y):
    assert share(y) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("size", [1000, 7777, 30 * SR, 150 * SR])
def test_blocks_of_any_length_give_the_same(size):
    minute = np.concatenate([np.random.default_rng(1).standard_normal(10 * SR), 20 * np.tile(chords(), 3)[: 50 * SR]])
    y = np.tile(minute, 3)[: 150 * SR]
    assert share(y, size=size) == share(y) == pytest.approx(5 / 8, abs=0.1)  # of the first minute, and twice its noise


def test_a_look_at_the_share_on_the_way_changes_nothing():
    meter = MusicMeter(SR)
    shares = []
    for start in range(0, 20 * SR, 2 * SR):
        meter.push(chords()[np.newaxis, start : start + 2 * SR])
        shares.append(meter.share)
    assert shares[0] == 0 < shares[2] and shares[-1] == share(chords())


def test_of_a_long_recording_a_part_of_each_minute_is_looked_at():
    rng = np.random.default_rng(0)
    meter = MusicMeter(SR)
    for minute in range(6):
        for part in range(30):
            musical = minute >= 2 and part < 5
            meter.push(chords()[np.newaxis, : 2 * SR] if musical else rng.standard_normal((1, 2 * SR)))
    assert meter.share == pytest.approx(4 / 10, abs=0.1)
