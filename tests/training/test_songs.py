"""Training of dictionaries for songs and for drums."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile as sf

from nmfaudio import NmfaudioError
from nmfaudio.separation.songs.separator import SongSeparator
from nmfaudio.training import songs
from nmfaudio.training.songs import (
    DRUMS,
    FIRST,
    FRONT_END,
    OBJECTIVE,
    SONGS,
    SongExamples,
    SongMixer,
    targets,
    train_songs,
)
from nmfaudio.training.unfolded.presets import Size
from nmfaudio.training.unfolded.stage import Schedule, mean_loss, train_stage

FEW = {name: replace(source, n_atoms=2 + i % 2) for i, (name, source) in enumerate(SONGS.items())}
SHORT = Schedule(steps=2, n_frames=16, pool_items=2, new_items=0.5, item_frames=10, check_every=1)


def brief(folders, sources=FEW, schedules=(SHORT, SHORT), **options):
    return train_songs(sources, folders, folders, schedules=schedules, n_dev=1, **options)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two songs of two seconds; the second has no vocals."""
    monkeypatch.setattr(songs, "_SECONDS", 1.5)
    monkeypatch.setattr(songs, "N_FRAMES", 30)
    monkeypatch.setattr(songs, "_LAYERS", (((0, 0), ()), ((0, 1), (1,))))
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for source in list(SONGS)[name == "two" :]:
            sf.write(tmp_path / name / f"{source}.flac", 0.1 * rng.standard_normal((2 * 44100, 2)), 44100)
    return [tmp_path / "one", tmp_path / "two"]


def test_mixes_depend_on_their_number_alone_and_differ(folders):
    first, second = SongMixer(SONGS, folders, 0), SongMixer(SONGS, folders, 0)
    second(4)  # which leaves no trace in the next one
    np.testing.assert_array_equal(first(5), second(5))
    assert not np.allclose(first(5), first(6))
    assert first(5).shape == (4, 2, first.stft.n_bins, first.stft.n_frames(first.n))


def test_there_may_be_many_sources(folders):
    mixer = SongMixer({**SONGS, "choir": SONGS["vocals"], "strings": SONGS["other"]}, folders, 0)
    assert [len(mixer(number)) for number in range(4)] == [6] * 4


def test_a_missing_stem_is_silent(folders):
    stems = SongMixer(SONGS, folders[1:], 0)(3)
    assert not stems[0].any() and stems[1:].any()


def test_a_stem_that_is_over_before_its_song_is_silent_from_there(folders):
    sf.write(folders[0] / "bass.flac", np.full((441, 2), 0.5), 44100)
    mixer = SongMixer(SONGS, folders[:1], 0)
    mixes = [mixer(number) for number in range(8)]
    assert not any(stems[2].any() for stems in mixes) and all(stems.any() for stems in mixes)


def test_dither_is_silence(folders):
    y = np.random.default_rng(0).integers(-1, 2, (2 * 44100, 2)).astype(np.int16)
    sf.write(folders[0] / "vocals.flac", y, 44100)
    mixer = SongMixer(SONGS, folders[:1], 0)
    mixes = [mixer(number) for number in range(8)]
    assert not any(stems[0].any() for stems in mixes) and all(stems[1:].any() for stems in mixes)


def test_dither_is_silence_where_all_stems_have_no_more(folders):
    y = np.random.default_rng(0).integers(-1, 2, (2 * 44100, 2)).astype(np.int16)
    for name in SONGS:
        sf.write(folders[0] / f"{name}.flac", y, 44100)
    mixer = SongMixer(SONGS, folders[:1], 0)
    assert not any(mixer(number).any() for number in range(8))


def test_levels_absences_and_places_vary_as_the_sources_say(folders):
    sources = {name: replace(source, absent=0.5 * (name == "vocals")) for name, source in SONGS.items()}
    mixer = SongMixer(sources, folders[:1], 0)
    power = np.array([np.mean(np.abs(mixer(number)) ** 2, axis=(2, 3)) for number in range(40)])  # (mixes, S, 2)
    vocals, drums, bass, other = power.transpose(1, 0, 2)
    assert 0.25 < np.mean(vocals.sum(axis=1) == 0) < 0.75 and drums.all()
    assert np.std(10 * np.log10(drums.sum(axis=1) / bass.sum(axis=1))) > 3
    sides_db = [np.abs(10 * np.log10(stem[:, 0] / stem[:, 1])) for stem in (drums, other)]
    assert sides_db[0].max() < 1 < 3 < np.sort(sides_db[1])[-3]


def test_stems_of_another_rate_sound_as_they_did(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(songs, "vary_speed", lambda y, speed: y)
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(2 * 48000) / 48000)
    (tmp_path / "tone").mkdir()
    sf.write(tmp_path / "tone" / "bass.wav", tone, 48000)
    (tmp_path / "tone" / "vocals.txt").write_text("la la")
    mixer = SongMixer(SONGS, [tmp_path / "tone"], 0)
    level = np.abs(mixer._read(0)).sum(axis=(1, 3))
    assert level[2].argmax() == round(1000 * FRONT_END.window_s) and not level[[0, 1, 3]].any()


def test_a_source_that_no_song_has_is_named(folders, monkeypatch):
    monkeypatch.setattr(songs, "MOST_SILENT", 5)
    sources = {**FEW, "choir": FEW["other"]}
    with pytest.raises(NmfaudioError, match="choir: nothing to train on but silence"):
        songs.initial_weights(FIRST, SongMixer(sources, folders, 0), Size((2,) * 5, (0,)), 0)
    (folders[0].parent / "none").mkdir()
    with pytest.raises(NmfaudioError, match="none: has no stem of vocals, drums, bass, other"):
        SongMixer(SONGS, [folders[0].parent / "none"], 0)(0)


@pytest.mark.needs_jit
def test_the_error_of_a_mask_is_that_of_the_stems(folders):
    """Between two masks: what no mask can change is left out."""
    stems = SongMixer(SONGS, folders[:1], 0)(1)
    Y, bins, frames = stems.sum(axis=0), slice(FRONT_END.n_bins), slice(20, 40)
    mixture, target = targets(stems, frames)
    rng = np.random.default_rng(0)
    one, other = rng.random((2, 4, 20, FRONT_END.n_bins)).astype(np.float32)
    pairs = []
    for m in (one, other):
        of_mask = np.sum((m.transpose(1, 0, 2) * mixture[..., bins] - target[..., bins]) ** 2, axis=2)
        error = m.transpose(0, 2, 1)[:, None] * Y[:, bins, frames] - stems[:, :, bins, frames]
        pairs.append((of_mask, np.mean(abs(error) ** 2, axis=1)))
    mask_errors, errors = zip(*pairs, strict=True)
    level = mixture[..., bins] ** 2 / np.mean(abs(Y[:, bins, frames]) ** 2, axis=0).T[:, None]  # weight of each row
    want = np.sum((errors[0] - errors[1]).transpose(2, 0, 1) * level, axis=2)
    np.testing.assert_allclose(mask_errors[0] - mask_errors[1], want, rtol=1e-2, atol=1e-3 * abs(want).max())


def test_quiet_seconds_of_a_stem_count_as_loud_ones_do(folders):
    stems = np.tile(SongMixer(SONGS, folders[:1], 0)(1), 4)
    stems[..., stems.shape[-1] // 2 :] *= 0.1
    loud, quiet = (np.sum(targets(stems, frames)[1] ** 2, axis=(0, 2)) for frames in (slice(20, 80), slice(-80, -20)))
    assert ((0.3 * loud <= quiet) & (quiet <= 3 * loud)).all() and loud.any()  # 0.01 without weights


@pytest.mark.needs_jit
def test_a_dictionary_is_trained_in_two_stages_and_separates(folders, tmp_path):
    entries = []
    dictionary = brief(folders, report=lambda stage, entry: entries.append(stage))
    dictionary.save(tmp_path / "mine.npz", compact=True)
    assert entries == [0, 0, 1, 1] and len(dictionary.record["stages"]) == 2
    separator = SongSeparator(tmp_path / "mine.npz")
    y = np.random.default_rng(1).standard_normal((2, 20000)).astype(np.float32)
    np.testing.assert_allclose(sum(separator(y, 44100).values()), y, atol=1e-5)


@pytest.mark.needs_jit
def test_a_training_that_was_killed_in_its_second_stage_goes_on_to_the_same_dictionary(folders, tmp_path):
    def kill(stage, entry):
        if (stage, entry["step"]) == (1, 2):
            raise KeyboardInterrupt

    entries = []
    with pytest.raises(KeyboardInterrupt):
        brief(folders, checkpoint=tmp_path / "state", report=kill)
    got = brief(folders, checkpoint=tmp_path / "state", report=lambda *entry: entries.append(entry))
    assert [(stage, entry["step"]) for stage, entry in entries] == [(1, 2)]
    for name, array in brief(folders).arrays.items():
        np.testing.assert_allclose(got.arrays[name], array, rtol=1e-5)


@pytest.mark.needs_jit
def test_a_checkpoint_of_other_sources_is_refused(folders, tmp_path):
    brief(folders, schedules=[SHORT], checkpoint=tmp_path / "state")
    others = {**FEW, "bass": replace(FEW["bass"], level=0.1)}
    with pytest.raises(NmfaudioError, match="state.0.npz: checkpoint of another training .source bass .*'level': 0.1"):
        brief(folders, others, [SHORT], checkpoint=tmp_path / "state")
    turned = dict(reversed(FEW.items()))
    with pytest.raises(NmfaudioError, match="another training .sources .'vocals', .*, not .'other', "):
        brief(folders, turned, [SHORT], checkpoint=tmp_path / "state")


@pytest.mark.needs_jit
def test_a_checkpoint_of_a_second_stage_on_another_first_one_is_refused(folders, tmp_path):
    brief(folders, checkpoint=tmp_path / "state")
    longer = replace(SHORT, steps=3)
    with pytest.raises(NmfaudioError, match="state.1.npz: checkpoint of another training .before"):
        brief(folders, schedules=[longer, SHORT], checkpoint=tmp_path / "state")


def test_what_cannot_be_trained_is_refused_at_once(folders):
    with pytest.raises(NmfaudioError, match="^folders is empty: give folders with a file for each of vocals, drums"):
        train_songs(FEW, [], folders, schedules=[SHORT])
    with pytest.raises(NmfaudioError, match="^dev_folders is empty: give folders with a file for each of vocals"):
        train_songs(FEW, folders, [], schedules=[SHORT])
    for n in (0, 3):
        with pytest.raises(NmfaudioError, match=f"{n} schedules: give one for each stage, of which there are one or"):
            train_songs(FEW, folders, folders, schedules=[SHORT] * n)
    with pytest.raises(NmfaudioError, match="n_dev must be a positive integer, not 0"):
        train_songs(FEW, folders, folders, schedules=[SHORT], n_dev=0)
    with pytest.raises(NmfaudioError, match="^sources is empty: give SONGS, DRUMS or your own"):
        brief(folders, {})
    with pytest.raises(NmfaudioError, match="random_state must be an integer of at least 0, not -1"):
        brief(folders, random_state=-1)
    with pytest.raises(NmfaudioError, match="^item_frames 900: a mix has 68 frames: give no more"):
        brief(folders, schedules=[SHORT, replace(SHORT, item_frames=900)])
    with pytest.raises(NmfaudioError, match="nowhere: no such folder: give those of songs in folders"):
        brief([*folders, folders[0] / "nowhere"])
    with pytest.raises(NmfaudioError, match="^folders must be a list of which each is a path, not .'songs'.$"):
        brief(["songs"])


@pytest.mark.needs_jit
def test_drums_are_trained_as_songs_are(folders):
    drums = {name: replace(source, n_atoms=2) for name, source in DRUMS.items()}
    for folder in folders:
        for source, drum in zip(list(SONGS)[1:], drums, strict=True):
            (folder / f"{source}.flac").rename(folder / f"{drum}.flac")
    dictionary = brief(folders, drums, [SHORT])
    assert SongSeparator(dictionary).names == ["kick", "snare", "cymbals"]


@pytest.mark.needs_jit
def test_training_lowers_the_loss(folders):
    examples = SongExamples(SongMixer(FEW, folders, 0), (), FIRST, 10)
    schedule = Schedule(steps=12, rate=0.05, warm_up=1, n_frames=32, pool_items=3, new_items=0, item_frames=20)
    weights = songs.initial_weights(
        FIRST, examples.mixer, Size(tuple(source.n_atoms for source in FEW.values()), (0, 0)), 0
    )
    dev = examples.of_first(2, 20)
    before = mean_loss(weights, (0, 0), dev, FIRST, OBJECTIVE)
    trained, _ = train_stage(
        weights, (0, 0), FIRST, SongExamples(examples.mixer, (), FIRST, 20), dev, schedule=schedule, objective=OBJECTIVE
    )
    assert mean_loss(trained, (0, 0), dev, FIRST, OBJECTIVE) < before
