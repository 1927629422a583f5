"""Repair of long recordings: as in one piece, in memory that does not grow, and nothing else is touched."""

import tracemalloc

import numpy as np
import pytest
import soundfile as sf
from signals import real_recording

from nmfaudio import NmfaudioError
from nmfaudio.metrics import snr
from nmfaudio.repair import (
    extend_band,
    fill_regions,
    find_clicks,
    find_clipped,
    find_dropouts,
    repair_file,
    restore_samples,
)
from nmfaudio.repair.bandwidth import Band
from nmfaudio.repair.detection import DAMAGE, find_damage
from nmfaudio.repair.lost_samples import restored_blocks
from nmfaudio.repair.spectral_holes import filled_blocks

SR = 16000
VOICE = real_recording()[0]


def in_blocks(y, n=3001):
    return (y[..., start : start + n] for start in range(0, y.shape[-1], n))


def damaged():
    y = np.stack([VOICE, 0.5 * VOICE]).clip(-0.1, 0.12)
    y[:, 9000:9100] = y[1, 30010:30500] = 0
    y[:, [6002, 15000, 44000]] += 0.5
    return y


@pytest.mark.parametrize("n", [3001, 7, 10**6])
def test_damage_is_found_in_blocks_as_in_one_piece(n):
    y = damaged() if n > 10 else damaged()[:, :2000]
    found = list(find_damage(lambda: in_blocks(y, n), SR, ["clicks", "clipped", "dropouts"]))
    whole, *masks = (np.concatenate(arrays, axis=1) for arrays in zip(*found, strict=True))
    np.testing.assert_array_equal(whole, y)
    for mask, wanted in zip(masks, (find_dropouts(y, SR), find_clicks(y, SR), find_clipped(y)), strict=True):
        assert wanted.any() or n < 10
        np.testing.assert_array_equal(mask, wanted)


@pytest.mark.parametrize("sr", [20, 500])  # the frames of clicks are longer there than elsewhere
def test_clicks_at_low_rates_are_found_in_blocks_as_in_one_piece(sr):
    y = np.sin(0.3 * np.arange(3000)) + 0.001 * np.random.default_rng(0).standard_normal(3000)
    y[500::500] += 0.5
    found = np.concatenate([clicks[0] for _, _, clicks, _ in find_damage(lambda: in_blocks(y[None], 100), sr, DAMAGE)])
    np.testing.assert_array_equal(found, find_clicks(y, sr))
    assert found.any() == (sr == 500)  # a sample at 20 Hz is too long for a click


@pytest.mark.needs_jit
@pytest.mark.parametrize("clipped", [False, True])
def test_samples_are_restored_in_blocks_as_in_one_piece(clipped):
    y = np.tile(VOICE, 10)[None, : 25 * SR // 2]
    missing = np.abs(y) > 0.15 if clipped else (np.arange(y.shape[1]) % 50000 < 100)[None]
    sr = SR // 2  # 25 s: two pieces
    chunks = zip(in_blocks(y), in_blocks(missing), strict=True)
    restored = np.concatenate([piece for piece, _ in restored_blocks(chunks, sr, clipped=clipped)], axis=1)
    np.testing.assert_array_equal(restored, restore_samples(y, sr, missing, clipped=clipped))


@pytest.mark.needs_jit
def test_holes_are_filled_in_blocks_as_in_one_piece_and_pieces_do_nearly_as_well(monkeypatch):
    y, hole = np.tile(VOICE, 3)[None], (4.0, 4.1, 500, 1500)
    whole = fill_regions(y, SR, [hole])
    blocks = [piece for piece, *_ in filled_blocks(((block,) for block in in_blocks(y)), SR, [hole])]
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), whole)
    monkeypatch.setattr("nmfaudio.repair.spectral_holes._PIECE_VALUES", 2 * SR)
    pieces = fill_regions(y, SR, [hole])
    near = (np.arange(y.shape[1]) > 3.9 * SR) & (np.arange(y.shape[1]) < 4.2 * SR)
    np.testing.assert_array_equal(pieces[:, ~near], y[:, ~near])
    assert snr(whole[0, near], pieces[0, near]) > 10
    with pytest.raises(NmfaudioError, match="leave nothing"):
        fill_regions(y, SR, [(0, 9)])


@pytest.mark.needs_jit
@pytest.mark.parametrize("sr", [SR // 2, SR])
def test_the_band_is_extended_in_blocks_as_in_one_piece_and_pieces_are_close(monkeypatch, sr):
    y = np.stack([VOICE, 0.5 * VOICE[::-1]])
    whole, _ = extend_band(y, sr, 3000)
    np.testing.assert_array_equal(np.concatenate(list(Band(sr, 3000).blocks(in_blocks(y))), axis=1), whole)
    monkeypatch.setattr("nmfaudio.repair.bandwidth._PIECE_VALUES", 2 * SR)
    pieces = np.concatenate(list(Band(sr, 3000).blocks(in_blocks(y))), axis=1)
    assert pieces.shape == whole.shape and snr(whole, pieces).min() > 20


@pytest.mark.slow
@pytest.mark.needs_jit
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"damage": ["clicks"]},
        {"gaps": [(1.0, 1.02)]},
        {"holes": [(1.0, 1.1, 500, 900)]},
        {"band": 3000.0},
    ],
)
def test_memory_does_not_grow_with_the_length(tmp_path, monkeypatch, options):
    for module in ("spectral_holes", "bandwidth"):
        monkeypatch.setattr(f"nmfaudio.repair.{module}._PIECE_VALUES", 2 * SR)
    monkeypatch.setattr("nmfaudio.repair.lost_samples._PIECE_S", 2.0)
    peaks = []
    for repeats in (4, 24, 48):  # the first is there to compile
        y = np.tile(VOICE[: SR // 2], 2 * repeats)
        y[30000:30100] = 0
        sf.write(tmp_path / "in.wav", y, SR)
        tracemalloc.start()
        try:
            repair_file(tmp_path / "in.wav", tmp_path / "out.wav", overwrite=True, **options)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[2] < 1.1 * peaks[1]


def test_what_was_beyond_full_scale_is_clipped_and_counted_and_nothing_is_lowered(tmp_path):
    y = 0.9 * VOICE / np.abs(VOICE).max()
    y[[4000, 9000]] = 1.2, -1.1
    sf.write(tmp_path / "in.wav", y, SR, subtype="FLOAT")
    report = repair_file(tmp_path / "in.wav", tmp_path / "out.wav", subtype="PCM_16")
    assert report.repairs == () and report.clipped_samples == 2
    np.testing.assert_allclose(sf.read(tmp_path / "out.wav")[0], y.clip(-1, 1), atol=2**-15)
    report = repair_file(tmp_path / "in.wav", tmp_path / "same.wav")
    assert report.clipped_samples == 0
    np.testing.assert_array_equal(sf.read(tmp_path / "same.wav", dtype="float32")[0], y)


@pytest.mark.needs_jit
def test_mending_one_place_keeps_the_samples_of_all_others(tmp_path):
    y = 0.9 * VOICE / np.abs(VOICE).max()
    y[40000] = 1.2
    sf.write(tmp_path / "in.wav", y, SR, subtype="FLOAT")
    options = {"gaps": [(0.5, 0.51)], "holes": [(1.0, 1.05, 500, 900)]}
    report = repair_file(tmp_path / "in.wav", tmp_path / "out.wav", **options)
    assert not any("lowered" in phrase for phrase in report.repairs)
    near = np.zeros(len(y), bool)
    near[round(0.5 * SR) : round(0.51 * SR)] = near[round(0.93 * SR) : round(1.12 * SR)] = True
    mended = sf.read(tmp_path / "out.wav", dtype="float32")[0]
    np.testing.assert_array_equal(mended[~near], y[~near])
    assert (mended[near] != y[near]).any()


def test_a_gap_may_end_where_the_recording_ends(tmp_path):
    sf.write(tmp_path / "in.wav", VOICE[:4001], 8000)
    end_s = 4001 / 8000  # times 8000 it is more than 4001
    repair_file(tmp_path / "in.wav", tmp_path / "out.wav", gaps=[(end_s - 0.01, end_s)])
    assert sf.info(tmp_path / "out.wav").frames == 4001


def test_a_gap_without_a_sample_is_refused(tmp_path):
    sf.write(tmp_path / "in.wav", VOICE, SR)
    with pytest.raises(NmfaudioError, match=r"in.wav: the gap 0.50001-0.50002 s holds no sample at 16000 Hz"):
        repair_file(tmp_path / "in.wav", tmp_path / "out.wav", gaps=[(0.50001, 0.50002)])


def test_a_gap_over_all_of_the_recording_is_refused(tmp_path):
    sf.write(tmp_path / "in.wav", VOICE, SR)
    with pytest.raises(NmfaudioError, match="nothing to go by"):
        repair_file(tmp_path / "in.wav", tmp_path / "out.wav", gaps=[(0, len(VOICE) / SR)])
    assert [path.name for path in tmp_path.iterdir()] == ["in.wav"]
