"""Songs are made of free packages, the same from the same seed, and the measure of their separation is museval's."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from nmfaudio import metrics

ROOT = Path(__file__).parents[1]


@pytest.fixture
def dictionaries(monkeypatch):
    for name in ("mido", "pyworld", "scipy"):
        pytest.importorskip(name)
    monkeypatch.syspath_prepend(ROOT / "dictionaries")
    monkeypatch.delitem(sys.modules, "songs", raising=False)
    yield importlib.import_module("songs")
    del sys.modules["songs"]


@pytest.fixture
def benchmark(monkeypatch):
    pytest.importorskip("librosa")
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.delitem(sys.modules, "songs", raising=False)
    yield importlib.import_module("songs")
    del sys.modules["songs"]


def test_packages_that_are_missing_are_told_with_the_command_that_installs_them(tmp_path):
    (tmp_path / "mido.py").touch()
    (tmp_path / "pyworld.py").write_text("import pkg_resources_of_old")  # as it fails with a new setuptools
    command = [sys.executable, ROOT / "dictionaries/songs.py", "--help"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    wanted = """No module named 'pkg_resources_of_old': pip install mido pyworld "setuptools<81"\n"""
    assert (done.returncode, done.stderr) == (1, wanted)


def told(folder, *args):
    """Run the script with stand-ins for its modules and without programs; return what it says on stderr."""
    (folder / "mido.py").write_text("Message = MidiFile = None")
    (folder / "pyworld.py").touch()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path]), "PATH": ""}
    command = [sys.executable, ROOT / "dictionaries/songs.py", folder / "songs", *args]
    return subprocess.run(command, env=environment, capture_output=True, text=True).stderr


def test_a_song_without_anyone_to_sing_is_told(tmp_path):
    pytest.importorskip("scipy")
    assert told(tmp_path).endswith("nobody to sing: give --speech, folders with a folder for each voice\n")
    assert told(tmp_path, "--speech", "nowhere").endswith("--speech nowhere: no such folder, sound file or list\n")


def test_missing_programs_are_told_before_other_songs_are_made(tmp_path):
    pytest.importorskip("scipy")
    assert re.search("error: packages are missing: apt-get install .*fluidsynth .*mma", told(tmp_path, "--drums"))
    assert not (tmp_path / "songs").exists()


def test_each_folder_is_a_voice(dictionaries, tmp_path):
    paths = [tmp_path / name for name in ("one/anna/a.WAV", "one/anna/b.flac", "one/ben/a.wav", "two/anna/a.wav")]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert list(dictionaries.voices([tmp_path / "one", tmp_path / "two"]).values()) == [
        paths[:2],
        paths[2:3],
        paths[3:],
    ]


def voice(seconds=3.0, sr=16000):
    """Pulses at 120 Hz through two resonances, in syllables."""
    t = np.arange(int(seconds * sr)) / sr
    pulses = np.diff(np.floor(120 * t), prepend=0)
    decays = np.arange(400) / sr
    formants = sum(np.exp(-decays * 300) * np.sin(2 * np.pi * f * decays) for f in (700, 1200))
    y = np.convolve(pulses, formants)[: len(t)] * (np.sin(2 * np.pi * 1.2 * t) > -0.6)
    return 0.5 * y / np.abs(y).max()


def test_the_same_seed_makes_the_same_song(dictionaries, tmp_path):
    if dictionaries.not_installed():
        pytest.skip("the packages that play are not installed")
    (tmp_path / "speech" / "one").mkdir(parents=True)
    sf.write(tmp_path / "speech" / "one" / "voice.wav", voice(), 16000)
    speech = dictionaries.voices([tmp_path / "speech"])
    (stems, record), (again, _) = (
        dictionaries.song(np.random.default_rng(3), speech, held_out=True, seconds=4) for _ in range(2)
    )
    for stem in dictionaries.STEMS:
        assert stems[stem].shape == (2, 4 * dictionaries.SR)
        np.testing.assert_array_equal(stems[stem], again[stem])
    assert np.abs(sum(stems.values())).max() < 1 and sum(y.any() for y in stems.values()) >= 3
    assert "csound-soundfont (public domain)" in record["packages"]
    dictionaries.write(tmp_path / "song", stems)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["song", "speech"]
    y, sr = sf.read(tmp_path / "song" / "drums.flac")
    assert sr == dictionaries.SR
    np.testing.assert_allclose(y.T, stems["drums"], atol=2**-15)


def test_drums_are_played_one_by_one(dictionaries):
    if dictionaries.not_installed():
        pytest.skip("the packages that play are not installed")
    stems, record = dictionaries.song(np.random.default_rng(1), {}, held_out=True, seconds=4, names=dictionaries.DRUMS)
    assert list(stems) == ["kick", "snare", "cymbals"] and stems["kick"].shape == (2, 4 * dictionaries.SR)
    centres = {}
    for name, y in stems.items():
        power = np.abs(np.fft.rfft(y.mean(axis=0))) ** 2
        centres[name] = np.sum(np.fft.rfftfreq(y.shape[1], 1 / dictionaries.SR) * power) / power.sum()
    assert centres["kick"] < centres["snare"] < centres["cymbals"]
    assert set(stems) <= set(record)


def test_a_beat_is_split_without_loss(dictionaries):
    score = dictionaries.by_band(np.random.default_rng(1), 10.0, False)
    beat = next(part for part in score.parts if part.stem == "drums")
    parts = dictionaries.each_drum(beat)
    assert [part.stem for part in parts] == list(dictionaries.DRUMS)
    assert sorted(at for part in parts for at in dictionaries.starts(part)) == sorted(dictionaries.starts(beat))
    assert {m.note for _, m in parts[0].events} == {36}
    assert not (dictionaries.harmony(parts, 10.0) > 1).any()  # strokes are no pitches to sing


def test_a_band_keeps_to_its_chords(dictionaries):
    score = dictionaries.by_band(np.random.default_rng(1), 10.0, False)
    others = dictionaries.harmony([part for part in score.parts if part.stem == "other"], 10.0)
    bass = next(part for part in score.parts if part.stem == "bass")
    bar = 240 / score.tempo
    roots = [m.note % 12 for at, m in bass.events if m.type == "note_on" and at % bar < 0.05 and at < 10]
    assert roots and all(others[:, root].max() > 1 for root in roots)


def test_a_voice_sings_the_notes_that_it_is_given(dictionaries, tmp_path):
    import pyworld

    sf.write(tmp_path / "voice.wav", voice(), 16000)
    spoken = dictionaries.analysed(tmp_path / "voice.wav")
    weights = np.full((40, 12), 1e-3)
    weights[:, [0, 4, 7]] = 1
    frames, pitches = dictionaries.set_to_music(spoken, 0.0, 0.5, weights, 48, np.random.default_rng(0))
    assert np.mean(np.isin(pitches[pitches > 0] % 12, [0, 4, 7])) > 0.9
    wanted = np.where(pitches > 0, 440 * 2 ** ((pitches - 69) / 12), 0)
    y = dictionaries.vocoded(spoken, frames, wanted, 1.0)
    f0, _ = pyworld.harvest(y.astype(float), dictionaries.SR, f0_floor=80, f0_ceil=500)
    n = min(len(f0), len(wanted))
    both = (f0[:n] > 0) & (wanted[:n] > 0)
    assert both.sum() > 100 and np.median(np.abs(1200 * np.log2(f0[:n][both] / wanted[:n][both]))) < 20


def test_an_excerpt_begins_at_zero_and_keeps_what_was_set_before(dictionaries):
    message = dictionaries.mido.Message
    events = [
        (0.0, message("control_change", control=7, value=90)),
        (1.0, message("note_on", note=60, velocity=80)),
        (3.0, message("note_on", note=62, velocity=80)),
        (5.0, message("note_on", note=64, velocity=80)),
    ]
    part = dictionaries.excerpt(dictionaries.Part("other", 0, events), 2.0, 1.0, 2.0, 12)
    assert [(at, m.type) for at, m in part.events] == [(0.0, "control_change"), (0.5, "note_on")]
    assert part.events[1][1].note == 74


def test_the_sdr_of_songs_is_that_of_museval(benchmark):
    pytest.importorskip("museval")
    rng = np.random.default_rng(0)
    r = rng.standard_normal((2, 2, 3 * 8000))
    r[0, :, 8000:16000] = 0  # a frame that does not count
    e = r + 0.3 * rng.standard_normal(r.shape)
    np.testing.assert_allclose(benchmark.sdr(r, e, 8000), metrics.bss_eval_frames(r, e, 8000)["sdr"], atol=1e-4)


def test_songs_are_measured(benchmark, tmp_path):
    rng = np.random.default_rng(0)
    t = np.arange(44100 * 2) / 44100
    for song in ("a", "b"):
        (tmp_path / song).mkdir()
        stems = {"bass": 0.3 * np.sin(2 * np.pi * 60 * t), "drums": 0.2 * rng.standard_normal(len(t)) * (t % 0.5 < 0.1)}
        stems |= {"other": 0.3 * np.sin(2 * np.pi * 880 * t), "vocals": 0.001 * t} if song == "b" else {}
        for stem, y in stems.items():
            sf.write(tmp_path / song / f"{stem}.flac", np.stack([y, y], axis=1), 44100)
    methods = {name: benchmark.METHODS[name] for name in ("mixture", "ideal ratio mask")}
    rows = [line.split("|")[1:-1] for line in benchmark.compared(tmp_path, methods).splitlines()]
    table = {row[0].strip(): dict(zip(rows[0][1:], row[1:], strict=True)) for row in rows[2:4]}
    for stem in (" drums ", " bass ", " other "):
        assert float(table["ideal ratio mask"][stem]) > float(table["mixture"][stem]) + 5
    assert not table["mixture"][" vocals "].strip()  # too quiet to count


def test_the_beginnings_of_songs_are_measured_alone(benchmark, tmp_path, monkeypatch):
    (tmp_path / "song").mkdir()
    for i, stem in enumerate(("bass", "drums")):
        y = 0.1 * np.random.default_rng(i).standard_normal((3 * 8000, 2))
        sf.write(tmp_path / "song" / f"{stem}.wav", y, 8000)
    shapes = []
    method = benchmark.METHODS["mixture"]
    monkeypatch.setitem(benchmark.METHODS, "mixture", lambda y, *rest: shapes.append(y.shape) or method(y, *rest))
    benchmark.main([str(tmp_path), "--seconds", "1.5", "--method", "mixture"])
    assert shapes == [(2, 12000)]
