import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signals import real_recording

from nmfaudio import STFT
from nmfaudio.errors import NmfaudioError
from nmfaudio.metrics import snr
from nmfaudio.repair import (
    extend_band,
    fill_regions,
    find_clicks,
    find_clipped,
    find_dropouts,
    restore_samples,
)

SR = 16000
VOICE = real_recording()[0][:SR]


def lost(*ranges, n=SR):
    mask = np.zeros(n, bool)
    for start, stop in ranges:
        mask[start:stop] = True
    return mask


@pytest.mark.needs_jit
def test_gaps_in_a_voice_are_closer_to_it_than_silence_and_the_rest_is_untouched():
    missing = lost((4000, 4320), (9000, 9320))
    restored = restore_samples(np.where(missing, 0, VOICE), SR, missing)
    assert snr(VOICE[missing], restored[missing]) > 1.5
    np.testing.assert_array_equal(restored[~missing], VOICE[~missing])


@pytest.mark.needs_jit
def test_what_a_missing_sample_holds_does_not_count():
    missing = lost((4000, 4320))
    one, *others = (restore_samples(np.where(missing, value, VOICE), SR, missing) for value in (0, 0.9, np.nan, np.inf))
    for other in others:
        np.testing.assert_array_equal(one, other)


@pytest.mark.needs_jit
def test_clipped_peaks_come_back_beyond_the_limit():
    limit = 0.3 * np.abs(VOICE).max()
    clipped = VOICE.clip(-limit, limit)
    mask = find_clipped(clipped)
    restored = restore_samples(clipped, SR, mask, clipped=True)
    assert snr(VOICE, restored) > snr(VOICE, clipped) + 2.5
    assert (np.abs(restored[mask]) >= np.abs(clipped[mask])).all()
    np.testing.assert_array_equal(restored[~mask], clipped[~mask])


@pytest.mark.needs_jit
@settings(max_examples=15)
@given(
    channels=st.sampled_from([None, 1, 2]),
    length=st.integers(2, 4000),
    scale=st.sampled_from([0, 1e-6, 1]),
    seed=st.integers(0, 99),
    clipped=st.booleans(),
)
def test_any_shape_and_damage_gives_finite_samples(channels, length, scale, seed, clipped):
    rng = np.random.default_rng(seed)
    y = rng.uniform(-scale, scale, length if channels is None else (channels, length)).astype(np.float32)
    missing = rng.random(length) < rng.choice([0.01, 0.5, 0.99])
    missing[0] = False
    restored = restore_samples(y, 8000, missing, clipped=clipped)
    assert restored.shape == y.shape and restored.dtype == y.dtype
    assert np.isfinite(restored).all()
    np.testing.assert_array_equal(restored[..., ~missing], y[..., ~missing])


@pytest.mark.needs_jit
@pytest.mark.parametrize("exponent", [-73, 33])  # 1e-22 and 1e10
@pytest.mark.parametrize(
    "mend",
    [
        lambda y: restore_samples(y, SR, lost((4000, 4320))),
        lambda y: restore_samples(y, SR, np.abs(y) > 0.3 * np.abs(y).max(), clipped=True),
        lambda y: fill_regions(y, SR, [(0.28, 0.42, 150, 1550)]),
        lambda y: extend_band(y, SR, 3400)[0],
    ],
    ids=["lost", "clipped", "hole", "band"],
)
def test_the_level_does_not_matter(mend, exponent):
    far = mend(np.ldexp(VOICE, exponent))
    np.testing.assert_array_equal(np.ldexp(far, -exponent), mend(VOICE))


@pytest.mark.needs_jit
def test_long_recordings_are_mended_piece_by_piece():
    t = np.arange(45 * 4000) / 4000
    y = (np.sin(2 * np.pi * 300 * t) + 0.5 * np.sin(2 * np.pi * 700 * t)).astype(np.float32)
    missing = lost((2000, 2040), (79990, 80030), (170000, 170040), n=len(y))  # the second across the end of a piece
    assert (snr(y[missing], restore_samples(y * ~missing, 4000, missing)[missing])) > 15


@pytest.mark.parametrize("shape", [(0,), (2, 0)])
def test_of_no_samples_none_are_missing(shape):
    y = np.zeros(shape, np.float32)
    restored = restore_samples(y, SR, np.zeros(shape, bool))
    assert restored.shape == shape and restored.dtype == np.float32


def test_missing_samples_that_make_no_sense_are_refused():
    with pytest.raises(NmfaudioError, match="shape \\(3,\\), but the signal \\(16000,\\)"):
        restore_samples(VOICE, SR, np.zeros(3, bool))
    with pytest.raises(NmfaudioError, match="sample 8 is nan"):
        restore_samples(np.where(lost((0, 9)), np.nan, VOICE), SR, lost((0, 8)))
    with pytest.raises(NmfaudioError, match="sample 0 is nan"):
        restore_samples(np.where(lost((0, 9)), np.nan, VOICE), SR, lost((0, 9)), clipped=True)
    with pytest.raises(NmfaudioError, match="nothing to go by"):
        restore_samples(np.stack([VOICE] * 2), SR, np.stack([lost(), ~lost()]))


@pytest.mark.needs_jit
def test_a_hole_in_the_spectrogram_is_filled_with_more_than_nothing():
    stft = STFT.for_rate(SR, 0.064, 0.016)
    Y = stft(VOICE)
    hole = np.zeros(Y.shape, bool)
    hole[10:100, 20:28] = True  # 150 to 1550 Hz, 0.28 to 0.41 s
    damaged = stft.synthesis(np.where(hole, 0, Y), SR)
    filled = fill_regions(damaged, SR, [(0.28, 0.42, 150, 1550)])
    true, before, after = (np.log10(np.abs(stft(x)[hole]) + 1e-4) for x in (VOICE, damaged, filled))
    assert np.abs(after - true).mean() < 0.5 * np.abs(before - true).mean()
    np.testing.assert_allclose(filled[8000:], damaged[8000:], atol=1e-4)


def test_no_holes_change_nothing():
    for y in (VOICE, VOICE[:0]):
        np.testing.assert_array_equal(fill_regions(y, SR, []), y)


def test_holes_that_are_none_or_everything_are_refused():
    with pytest.raises(NmfaudioError, match="is no range"):
        fill_regions(VOICE, SR, [(2, 1)])
    with pytest.raises(NmfaudioError, match="leave nothing"):
        fill_regions(VOICE, SR, [(0, 1)])


def test_holes_outside_the_recording_or_too_small_are_refused():
    y = np.random.default_rng(0).standard_normal(8000)
    for hole in ([1.5, 2.0], [0.2, 0.3, 5000, 6000], [0.5, 0.501]):
        with pytest.raises(NmfaudioError, match="ends at 1 s and 4000 Hz"):
            fill_regions(y, 8000, [(0.1, 0.2), hole])


@pytest.mark.parametrize("find", [find_clipped, lambda y: find_dropouts(y, SR), lambda y: find_clicks(y, SR)])
def test_damage_is_found_in_integers_as_in_floats(find):
    y = (4 * VOICE).clip(-1, 1 - 2.0**-15)
    y[4000:4100], y[5000] = 0, 1 - 2.0**-15
    samples = np.rint(y * 32768).astype(np.int16)
    assert find(samples).any()
    np.testing.assert_array_equal(find(samples), find(samples / 32768))
    unsigned = (samples // 256 + 128).astype(np.uint8)
    np.testing.assert_array_equal(find(unsigned), find(samples // 256 / 128))
    assert find(samples[:0]).shape == (0,)
    with pytest.raises(NmfaudioError, match="sample 1 is nan"):
        find(np.array([0, np.nan]))


@pytest.mark.needs_jit
def test_a_telephone_voice_gets_its_upper_band_back():
    stft = STFT(512, 256)
    narrow = stft.synthesis(stft(VOICE) * (np.arange(257)[:, None] < 120), SR)
    wide, sr = extend_band(narrow, SR, 3750)
    assert wide.shape == narrow.shape and sr == SR
    true, before, after = (np.log10(np.abs(stft(x)[125:]) + 1e-3) for x in (VOICE, narrow, wide))
    assert np.abs(after - true).mean() < 0.6 * np.abs(before - true).mean()
    np.testing.assert_allclose(stft(wide)[:110], stft(narrow)[:110], atol=0.05)


def test_a_cutoff_above_the_recorded_band_is_where_that_ends():
    y, cutoff_hz = VOICE[4000:4800:2], 7000
    np.testing.assert_array_equal(extend_band(y, SR // 2, cutoff_hz)[0], extend_band(y, SR // 2)[0])


def test_a_band_that_cannot_be_extended_is_explained():
    with pytest.raises(NmfaudioError, match="give the cutoff"):
        extend_band(VOICE, SR)
    with pytest.raises(NmfaudioError, match="a cutoff of 9000 Hz"):
        extend_band(VOICE, SR, 9000)
    with pytest.raises(NmfaudioError, match="no atoms of one frame named 'piano'"):
        extend_band(VOICE, SR, 3400, source="piano")


def test_clipping_is_found_where_it_is_and_nowhere_else():
    t = np.arange(48000) / 48000
    low = np.sin(2 * np.pi * 50 * t)
    for y in (low, VOICE, np.rint(3 * low), np.zeros(100), np.zeros(0)):
        assert not find_clipped(y).any()
    stereo = np.stack([low, 0.5 * low.clip(-0.7, 0.9)])
    found = find_clipped(stereo)
    assert not found[0].any()
    cut_off = (low > 0.9) | (low < -0.7)
    assert found[1][cut_off].all()
    assert found[1].sum() < 1.02 * cut_off.sum()


def test_dropouts_are_short_and_amid_sound():
    y = VOICE + np.float32(1e-6)
    y[:500] = y[4000:4200] = y[9000:12000] = 0
    np.testing.assert_array_equal(find_dropouts(y, SR), lost((4000, 4200)))


def test_zeros_at_the_end_or_the_beginning_of_sound_are_no_dropouts():
    y = np.where(np.arange(SR) < SR // 2, np.sin(np.arange(SR)), 1e-6)  # then next to nothing
    y[SR // 2 : SR // 2 + 100] = 0
    for one_way in (y, y[::-1]):
        assert not find_dropouts(one_way, SR).any()


@pytest.mark.parametrize("level_db", [0, -20, -40])
def test_zeros_of_eight_bits_are_no_dropouts(level_db):
    y = np.rint(128 * VOICE / np.abs(VOICE).max() * 10 ** (level_db / 20)) / 128
    assert not find_dropouts(y, SR).any()
    if level_db == 0:
        gap = lost((int(y.argmax()), int(y.argmax()) + 100))
        assert find_dropouts(np.where(gap, 0, y), SR)[gap].all()


def test_clicks_are_found_and_silence_has_none():
    damaged = VOICE.copy()
    places = [3000, 7000, 12000]
    damaged[places] += 0.5
    found = find_clicks(damaged, SR)
    assert found[places].all()
    assert found.mean() < 0.01
    assert not find_clicks(np.zeros(1000), SR).any()
    assert not find_clicks(np.pad(VOICE[4000:4050], 400), SR).any()  # a short sound in digital silence
