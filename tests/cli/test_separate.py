import json

import numpy as np
import pytest
import soundfile as sf

from nmfaudio import NmfaudioError
from nmfaudio.cli.main import main
from nmfaudio.dictionary import Dictionary
from nmfaudio.metrics import si_sdr
from nmfaudio.separation import Components, Separator, separate, separate_file
from nmfaudio.separation.files import memory_for

SR = 8000


def notes(pitches, seconds=2.0, seed=0):
    """Notes of a quarter of a second, each with three harmonics."""
    t = np.arange(SR // 4) / SR
    drawn = np.random.default_rng(seed).choice(pitches, round(4 * seconds))
    return np.concatenate([sum(np.sin(2 * np.pi * f * h * t) / h for h in (1, 2, 3)) * np.exp(-6 * t) for f in drawn])


def strokes(seconds=2.0, seed=0):
    """Short bursts of noise, four a second."""
    rng = np.random.default_rng(seed)
    return 0.8 * rng.standard_normal(int(seconds * SR)) * np.exp(-0.01 * (np.arange(int(seconds * SR)) % 2000))


SOURCES = 0.2 * np.stack([notes([220, 262, 330], seed=1), strokes(seed=1)])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Folder with a mixture, in mono and stereo, and recordings of each source alone."""
    monkeypatch.chdir(tmp_path)
    sf.write("mix.wav", SOURCES.sum(axis=0), SR, subtype="FLOAT")
    places = np.array([[1.0, 0.2], [0.3, 0.9]])
    sf.write("stereo.wav", (SOURCES.T[:, :, None] * places).sum(axis=1), SR, subtype="FLOAT")
    for name, y in (("piano", notes([220, 262, 330], seed=2)), ("drums", strokes(seed=2))):
        (tmp_path / name).mkdir()
        sf.write(f"{name}/solo.wav", 0.2 * y, SR)
    return tmp_path


def trained(name, *options):
    argv = ["train", "source", name, name, "-o", f"{name}.npz", "--atoms", "6", "-q", *options]
    assert main(argv) == 0


def stems_of(folder):
    return {path.stem: sf.read(path, dtype="float32")[0] for path in sorted(folder.glob("*.wav"))}


def gain(estimate, source):
    return si_sdr(source, estimate) - si_sdr(source, SOURCES.sum(axis=0))


@pytest.mark.needs_jit
def test_train_and_separate(folder, capsys):
    trained("piano")
    trained("drums", "--taps", "4")
    drums = Dictionary.load("drums.npz")
    assert drums.arrays["drums"].shape == (257, 4, 6)
    assert drums.record["command"] == "nmfaudio train source drums drums -o drums.npz --atoms 6 -q --taps 4"
    assert "piano" in (folder / "piano.md").read_text()
    assert main(["separate", "mix.wav", "-o", "out", "--source", "piano.npz", "--source", "beat=drums.npz"]) == 0
    stems = stems_of(folder / "out")
    assert list(stems) == ["beat", "piano"]
    assert gain(stems["piano"], SOURCES[0]) > 8 and gain(stems["beat"], SOURCES[1]) > 8
    np.testing.assert_allclose(sum(stems.values()), sf.read("mix.wav")[0], atol=1e-5)
    assert "piano.wav" in capsys.readouterr().err


@pytest.mark.needs_jit
def test_the_penalty_is_that_of_the_command_line(folder):
    trained("piano", "--penalty", "1")
    trained("drums")
    y, sr = sf.read("mix.wav")
    for penalty in (0.0, 5.0):
        argv = ["separate", "mix.wav", "-o", "out", "--source", "piano.npz", "--source", "drums.npz", "--overwrite"]
        assert main([*argv, "--penalty", str(penalty)]) == 0
        expected = Separator({"piano": "piano.npz", "drums": "drums.npz"}, penalty=penalty)(y, sr)["piano"]
        np.testing.assert_allclose(stems_of(folder / "out")["piano"], expected, atol=1e-4)
    assert main(["separate", "mix.wav", "-o", "blind", "--penalty", "1"]) == 2


@pytest.mark.needs_jit
def test_what_has_no_dictionary_is_learnt(folder):
    trained("piano")
    guidance = {"rest": {"silent": [[0.0, 0.1]]}}
    (folder / "known.json").write_text(json.dumps(guidance))
    argv = [
        "separate",
        "mix.wav",
        "-o",
        "out",
        "--source",
        "piano.npz",
        "--learn",
        "rest=1",
        "--guidance",
        "known.json",
    ]
    assert main(argv) == 0
    stems = stems_of(folder / "out")
    assert gain(stems["piano"], SOURCES[0]) > 4
    assert not stems["rest"][:400].any()
    np.testing.assert_allclose(sum(stems.values()), sf.read("mix.wav")[0], atol=1e-5)


@pytest.mark.needs_jit
def test_groups_can_be_changed_and_given_back(folder):
    assert main(["separate", "mix.wav", "-o", "out", "--components", "6", "-q"]) == 0
    groups = json.loads((folder / "out" / "groups.json").read_text())
    assert list(groups) == ["source1", "source2"]
    before = stems_of(folder / "out")
    moved = {"mine": groups["source1"][:1], "others": groups["source1"][1:] + groups["source2"]}
    (folder / "mine.json").write_text(json.dumps(moved))
    argv = ["separate", "mix.wav", "-o", "again", "--components", "6", "--groups", "mine.json", "-q"]
    assert main(argv) == 0
    after = stems_of(folder / "again")
    assert list(after) == ["mine", "others"]
    for stems in (before, after):
        np.testing.assert_allclose(sum(stems.values()), sf.read("mix.wav")[0], atol=1e-5)
    assert json.loads((folder / "again" / "groups.json").read_text()) == moved


@pytest.mark.needs_jit
@pytest.mark.parametrize(
    "options", [["--split"], ["--components", "4", "--taps", "3", "--phase", "misi"], ["--stems", "2"]]
)
def test_stereo_stems_add_up(folder, options):
    assert main(["separate", "stereo.wav", "-o", "out", "-q", *options]) == 0
    stems = stems_of(folder / "out")
    assert len(stems) == 2 and all(stem.shape == (2 * SR, 2) for stem in stems.values())
    np.testing.assert_allclose(sum(stems.values()), sf.read("stereo.wav")[0], atol=1e-5)


@pytest.mark.needs_jit
def test_a_song_gets_its_stems_beside_it(folder, capsys):
    assert main(["separate", "stereo.wav"]) == 0
    names = ["vocals", "drums", "bass", "other"]
    assert ", ".join(f"stereo_{name}.wav" for name in names) in capsys.readouterr().err
    stems = {name: sf.read(f"stereo_{name}.wav")[0] for name in names}
    np.testing.assert_allclose(sum(stems.values()), sf.read("stereo.wav")[0], atol=1e-5)
    assert sf.info("stereo_bass.wav").subtype == "FLOAT"
    y, sr = sf.read("stereo.wav", dtype="float32")
    np.testing.assert_allclose(separate(y.T, sr)["drums"].T, stems["drums"], atol=1e-6)
    assert main(["separate", "stereo.wav"]) == 2
    assert "stereo_vocals.wav: exists already: give --overwrite" in capsys.readouterr().err


@pytest.mark.needs_jit
def test_stems_of_a_song_are_chosen_added_and_mixed(folder):
    assert main(["separate", "mix.wav", "-o", "out", "-q"]) == 0
    assert main(["separate", "mix.wav", "-o", "some", "--only", "bass, drums", "-q"]) == 0
    assert main(["separate", "mix.wav", "-o", "karaoke", "--karaoke", "-q"]) == 0
    assert main(["separate", "mix.wav", "--mix", "vocals=off,drums=+6,other=-20", "-q"]) == 0
    all_of_them, karaoke = stems_of(folder / "out"), stems_of(folder / "karaoke")
    assert list(stems_of(folder / "some")) == ["bass", "drums"] and list(karaoke) == ["karaoke", "vocals"]
    np.testing.assert_array_equal(stems_of(folder / "some")["drums"], all_of_them["drums"])
    rest = sum(all_of_them[name] for name in ("drums", "bass", "other"))
    np.testing.assert_allclose(karaoke["karaoke"], rest, atol=1e-6)
    mix = all_of_them["bass"] + 10**0.3 * all_of_them["drums"] + 0.1 * all_of_them["other"]
    np.testing.assert_allclose(sf.read("mix_mix.wav")[0], mix, atol=1e-5)


@pytest.mark.needs_jit
def test_a_voice_and_its_background_add_up(folder):
    assert main(["separate", "mix.wav", "-o", "out", "--voice", "-q"]) == 0
    stems = stems_of(folder / "out")
    assert list(stems) == ["background", "voice"]
    np.testing.assert_allclose(sum(stems.values()), sf.read("mix.wav")[0], atol=1e-6)
    assert np.std(stems["voice"]) < np.std(stems["background"])


@pytest.mark.needs_jit
def test_songs_of_a_folder_are_separated_and_one_that_fails_does_not_stop_the_rest(folder, capsys):
    (folder / "album" / "one").mkdir(parents=True)
    sf.write("album/one/a.flac", SOURCES[0], SR)
    sf.write("album/c.wav", SOURCES[1], SR)
    (folder / "album" / "b.wav").write_text("no sound")
    assert main(["separate", "album", "-o", "stems", "--only", "bass"]) == 1
    assert "b.wav" in capsys.readouterr().err
    assert (folder / "stems" / "one" / "a" / "bass.flac").exists() and (folder / "stems" / "c" / "bass.wav").exists()
    (folder / "d.wav").write_text("no sound either")
    assert main(["separate", "album/b.wav", "d.wav", "--split"]) == 2
    assert capsys.readouterr().err.count("nmfaudio separate: error: ") == 2


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["mix.wav", "new"], "new: no such file or folder: the folder for the stems is named by -o"),
        (["mix.wav", "vocals.wav"], "vocals.wav: no such file or folder: the folder for the stems is named by -o"),
        (["my", "song.wav"], "my: no such file: put the name in quotes, 'my song.wav'"),
        (["-"], "standard input cannot be separated: give a file"),
        (["piano"], "piano: is a folder: give another for the stems, as -o piano/stems"),
        (["piano", "-o", "./piano"], "piano: is a folder: give another for the stems, as -o piano/stems"),
        (["empty", "-o", "out"], "empty: no sound files in this folder"),
    ],
)
def test_what_is_no_song_is_said_before_the_first_one_is_separated(folder, capsys, argv, message):
    sf.write("my song.wav", SOURCES[0], SR)
    (folder / "empty").mkdir()
    before = sorted(folder.rglob("*"))
    assert main(["separate", *argv, "--split"]) == 2
    assert capsys.readouterr().err == f"nmfaudio separate: error: {message}\n"
    assert sorted(folder.rglob("*")) == before


@pytest.mark.needs_jit
def test_stems_in_a_folder_of_songs_are_no_songs_at_the_next_run(folder, capsys):
    assert main(["separate", "piano", "-o", "piano/stems", "--split", "-q"]) == 0
    assert main(["separate", "piano", "-o", "piano/stems", "--split", "-q", "--overwrite"]) == 0
    assert sorted(path.name for path in (folder / "piano").rglob("*.wav")) == [
        "harmonic.wav",
        "percussive.wav",
        "solo.wav",
    ]
    capsys.readouterr()
    assert main(["separate", "piano", "-o", "piano/others", "--split"]) == 0
    said = capsys.readouterr().err
    assert "piano/stems: passed over, as nmfaudio wrote it: to take it too, remove piano/stems/.nmfaudio" in said
    assert main(["denoise", "piano", "-o", "clean", "-q"]) == 0
    assert [path.name for path in (folder / "clean").rglob("*.wav")] == ["solo.wav"]


def test_an_own_way_to_separate_has_files_too(folder):
    class Halves:
        names = ["half", "other half"]

        def process_blocks(self, blocks, sr):
            for y in blocks:
                yield {name: y / 2 for name in self.names}

    assert list(separate_file("mix.wav", "out", Halves(), rest="none", only=["half"]).stems) == ["half", "none"]
    np.testing.assert_allclose(sf.read("out/half.wav")[0], sf.read("mix.wav")[0] / 2, atol=1e-6)


@pytest.mark.needs_jit
def test_the_two_parts_and_what_is_in_no_group_can_be_chosen_and_mixed(folder):
    whole = separate_file("mix.wav", "parts", "harmonic-percussive").stems
    tones = sf.read(whole["harmonic"])[0]
    assert main(["separate", "mix.wav", "-o", "one", "--split", "--only", "harmonic", "-q"]) == 0
    assert list(stems := stems_of(folder / "one")) == ["harmonic"]
    np.testing.assert_array_equal(stems["harmonic"], tones)
    assert main(["separate", "mix.wav", "-o", "mixed", "--split", "--mix", "percussive=off", "-q"]) == 0
    np.testing.assert_allclose(stems_of(folder / "mixed")["mix"], tones, atol=1e-6)
    options = {"groups": {"a": [0, 2]}, "n_components": 4}
    whole = separate_file("mix.wav", "groups", 2, **options).stems
    chosen = separate_file("mix.wav", "others", 2, only=["rest"], **options).stems
    assert list(whole) == ["a", "rest"] and list(chosen) == ["rest"]
    np.testing.assert_array_equal(sf.read(chosen["rest"])[0], sf.read(whole["rest"])[0])
    with pytest.raises(NmfaudioError, match="no source 'rest': choose a, b"):
        separate_file("mix.wav", "none", 2, only=["rest"], groups={"a": [0, 2], "b": [1]}, n_components=3)


def test_stems_come_in_the_format_asked_for(folder):
    argv = ["separate", "mix.wav", "-o", "out", "--split", "--format", "FLAC", "--subtype", "PCM_24", "-q"]
    assert main(argv) == 0
    assert sf.info("out/harmonic.flac").subtype == "PCM_24"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "full", "--split"], "full: is not empty: give --overwrite"),
        (["--only", "piano", "-q"], "no source 'piano': choose vocals, drums, bass, other"),
        (["--mix", "vocals=loud"], "'vocals=loud' is not NAME=DB"),
        (["--mix", "vocals=61"], "'vocals=61' is not NAME=DB with up to 60 dB"),
        (["--karaoke", "--only", "bass"], "give one of them"),
        (["--voice", "--split"], "choose one"),
        (["-d", "speech-fast"], "of kind 'unfolded', not songs: give songs, drums"),
        (["-o", "broken.json", "--split"], "broken.json: names a file"),
        (["-o", "new.wav", "--split"], "new.wav: names a file: give a folder for the stems"),
        (["-o", "out", "--seed", "-1"], "'-1' is not a seed"),
        (["-o", "out", "--groups", "slash.json"], "'a/b' cannot be the name of a stem's file"),
        (["-o", "out", "--split", "--learn", "a=3"], "choose one"),
        (["-o", "out", "--split", "--phase", "misi"], "leave out --phase"),
        (["-o", "out", "--learn", "a=3", "--stems", "3"], "--stems, --components and --taps are for unknown sources"),
        (["-o", "out", "--guidance", "broken.json"], "give them with --source or --learn"),
        (["-o", "out", "--learn", "a=3", "--guidance", "broken.json"], "broken.json: not JSON"),
        (["-o", "out", "--learn", "a=3", "--guidance", "list.json"], "list.json: must hold a JSON object"),
        (["-o", "out", "--learn", "a=3", "--guidance", "missing.json"], "missing.json: cannot be read (No such file"),
        (["-o", "out", "--learn", "a=3", "--learn", "a=4"], "--learn a=4"),
        (["-o", "out", "--learn", "../a=3"], "cannot be the name of a stem's file"),
        (["-o", "out", "--learn", "a"], "'a' is not NAME=N"),
        (["-o", "out", "--source", "speech"], "is trained for denoising; give one of sources, as speech-sparse"),
        (["-o", "out", "--source", "nobody.npz"], "nobody.npz"),
        (["-o", "out", "--source", "one.npz"], "'one': as the only source, it would get the whole mixture"),
        (["-o", "out", "--learn", "a=1000000000"], "'1000000000' is not a number from 1 to 100000"),
        (["-o", "out", "--learn", "a=20000"], "20000 atoms of 'a' to learn: there must be 1 to 10000"),
        (["-o", "out", "--stems", "0"], "'0' is not a number from 1 to 100000"),
        pytest.param(
            ["-o", "out", "--stems", "9", "--components", "4"],
            "4 components cannot make 9 sources",
            marks=pytest.mark.needs_jit,
        ),
        (["-o", "out", "--split", "--subtype", "nonsense"], "no subtype 'NONSENSE'"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(folder, capsys, options, message):
    (folder / "full").mkdir()
    (folder / "full" / "harmonic.wav").write_text("mine")
    (folder / "broken.json").write_text("{")
    (folder / "list.json").write_text("[1]")
    (folder / "slash.json").write_text('{"a/b": [0]}')
    Dictionary("sources", {"one": np.eye(257, 3)}).save("one.npz")
    try:
        code = main(["separate", "mix.wav", *options])
    except SystemExit as exit:
        code = exit.code
    said = capsys.readouterr().err
    assert code == 2 and message in said and said.count("\n") == 1
    assert (folder / "full" / "harmonic.wav").read_text() == "mine"
    assert not (folder / "out").exists()


def test_clipped_stems_are_spoken_of(folder, capsys):
    y = 0.95 * np.sin(2 * np.pi * 440 / SR * np.arange(SR))
    y[y.argmax()] -= 1.9  # a stroke downwards while the tone is up
    sf.write("loud.wav", y, SR)
    assert main(["separate", "loud.wav", "-o", "out", "--split", "-q"]) == 0
    assert "out: 1 sample beyond full scale clipped: --subtype FLOAT keeps what is there" in capsys.readouterr().err
    assert main(["separate", "loud.wav", "-o", "whole", "--split", "-q", "--subtype", "FLOAT"]) == 0
    assert not capsys.readouterr().err
    assert main(["separate", "loud.wav", "-o", "flac", "--split", "-q", "--format", "FLAC"]) == 0
    assert "clipped: --format WAV --subtype FLOAT keeps" in capsys.readouterr().err
    assert main(["separate", "loud.wav", "-o", "kept", "--split", "-q", "--format", "WAV", "--subtype", "FLOAT"]) == 0
    assert not capsys.readouterr().err


def test_want_of_memory_is_one_line(folder, capsys, monkeypatch):
    def too_much(*args, **options):
        raise MemoryError

    monkeypatch.setattr("nmfaudio.separation.files.harmonic_percussive_blocks", too_much)
    assert main(["separate", "mix.wav", "-o", "out", "--split"]) == 2
    said = "nmfaudio separate: error: not enough memory: give less sound at a time, or smaller numbers\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "mix.wav: not enough memory"),
        (OSError(5, "Input/output error"), "mix.wav: Input/output error"),
        (KeyError("x"), "mix.wav: unexpected KeyError: 'x' (separate it alone to see where)"),
    ],
)
def test_no_error_of_a_song_stops_the_others(folder, capsys, monkeypatch, error, words):
    def once(*args, **options):
        monkeypatch.undo()
        monkeypatch.chdir(folder)
        raise error

    sf.write("other.wav", notes([57]), SR)
    monkeypatch.setattr("nmfaudio.separation.files.harmonic_percussive_blocks", once)
    assert main(["separate", "mix.wav", "other.wav", "-o", "out", "--split", "-q"]) == 1
    assert words in capsys.readouterr().err
    assert stems_of(folder / "out" / "other")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["piano", "-o", "out.npz"], "required: DIR|LIST"),
        (["piano", "piano", "--speech", "drums", "-o", "out.npz"], "unrecognized arguments: --speech"),
        (["piano", "nowhere", "-o", "out.npz"], "nowhere"),
        (["piano", "piano", "-o", "there.npz"], "there.npz: exists"),
        (["piano", "piano", "-o", "notes.npz"], "notes.md: exists"),
        (["piano", "piano", "-o", "out.npz", "--seed", "-1"], "'-1' is not a seed"),
        (["piano", "piano", "-o", "out.npz", "--atoms", "0"], "'0' is not a number from 1 to 100000"),
        (["piano", "piano", "-o", "out.npz", "--window", "9"], "'9' is not a number of seconds"),
    ],
)
def test_training_of_one_source_says_what_is_missing(folder, capsys, argv, message):
    for name in ("there.npz", "notes.md"):
        (folder / name).write_text("mine")
    try:
        code = main(["train", "source", *argv])
    except SystemExit as exit:
        code = exit.code
    said = capsys.readouterr().err
    assert code == 2 and message in said and said.count("\n") == 1
    assert (folder / "there.npz").read_text() == "mine"


def test_python_separates_as_the_command_does(folder):
    assert main(["separate", "mix.wav", "-o", "out", "--components", "6", "--stems", "2", "--seed", "3", "-q"]) == 0
    report = separate_file("mix.wav", "again", 2, n_components=6, random_state=3)
    assert report.groups == json.loads((folder / "again" / "groups.json").read_text())
    y, sr = sf.read("mix.wav", dtype="float32")
    stems = separate(y, sr, 2, n_components=6, random_state=3)
    for name, stem in stems_of(folder / "out").items():
        np.testing.assert_array_equal(stem, sf.read(report.stems[name], dtype="float32")[0])
        np.testing.assert_allclose(stem, stems[name], atol=1e-6)


@pytest.mark.parametrize("db", [60.5, 1e5, np.inf])
def test_a_gain_that_no_mix_has_is_refused_in_python_too(folder, db):
    with pytest.raises(NmfaudioError, match="gain of 'harmonic'.*give up to 60; -inf leaves it out"):
        separate_file("mix.wav", "out", "harmonic-percussive", gains_db={"harmonic": db})
    assert not (folder / "out").exists()


def test_a_rest_of_nothing_is_refused(folder):
    options = {"only": ["percussive", "harmonic"], "rest": "others"}
    with pytest.raises(NmfaudioError, match="rest 'others': only names all sources, and nothing is left: leave out"):
        separate_file("mix.wav", "out", "harmonic-percussive", **options)
    assert not (folder / "out").exists()


@pytest.mark.needs_jit
def test_numbers_of_numpy_are_numbers(folder):
    options = {"n_components": np.int64(3)}
    stems = separate(SOURCES[0], SR, np.int64(2), **options)
    np.testing.assert_array_equal(stems["source1"], separate(SOURCES[0], SR, 2, n_components=3)["source1"])
    assert len(separate_file("mix.wav", "out", np.int64(2), **options).stems) == 2
    separate_file("mix.wav", "grouped", np.int64(2), groups={"a": np.array([0, 2])}, **options)
    assert json.loads((folder / "grouped" / "groups.json").read_text()) == {"a": [0, 2]}


@pytest.mark.parametrize(
    ("sources", "options", "message"),
    [
        ({"a": 2}, {"n_taps": 1}, "for a number of unknown sources"),
        (2, {"penalty": 1.0}, "penalty is for sources with names"),
        (2, {"guidance": {"a": {"silent": [(0, 1)]}}}, "guidance is about sources with names"),
        ("harmonic-percussive", {"phase": "misi"}, "leave phase out"),
        ("drum", {}, "no dictionary named 'drum'"),
        ("songs", {"phase": "misi"}, "leave phase out"),
    ],
)
def test_options_in_python_that_do_not_go_together(sources, options, message):
    with pytest.raises(NmfaudioError, match=message):
        separate(SOURCES[0], SR, sources, **options)


@pytest.mark.parametrize(
    "words",
    [
        "mix.wav mix.flac -o out --split",
        "mix.wav other/mix.wav -o out --split",
        "mix.wav mix.flac --format WAV --split",
        ". -o out --split",
        "mix.wav mix.flac --stems 2",  # both have groups
    ],
)
def test_songs_never_get_the_stems_of_each_other(folder, capsys, words):
    (folder / "other").mkdir()
    for path in ("mix.flac", "other/mix.wav"):
        sf.write(path, SOURCES.sum(axis=0), SR)
    before = sorted(folder.rglob("*"))
    assert main(["separate", *words.split(), "--overwrite", "-q"]) == 2
    assert "would have the same stems: rename one" in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "lost"),
    [
        ("mix.wav mix_harmonic.wav --split", "mix_harmonic.wav"),
        ("out/stereo/mix.wav stereo.wav --split -o out --mix harmonic=3", "out/stereo/mix.wav"),
        ("mix.wav mix_source2.wav --stems 3", "mix_source2.wav"),
    ],
)
def test_no_stem_takes_the_place_of_a_song_that_is_not_separated_yet(folder, capsys, words, lost):
    (folder / "out" / "stereo").mkdir(parents=True)
    for path in ("mix_harmonic.wav", "mix_source2.wav", "out/stereo/mix.wav"):
        sf.write(path, SOURCES[0], SR)
    before = {path: path.read_bytes() for path in folder.rglob("*.wav")}
    assert main(["separate", *words.split(), "--overwrite", "-q"]) == 2
    assert f"{lost}: is also the input {lost}, which would be lost: give another folder" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.rglob("*.wav")} == before


@pytest.mark.needs_jit
def test_a_part_is_separated(folder):
    assert main(["separate", "mix.wav", "-o", "out", "--split", "-q", "--start", "0.5", "--end", "1.5"]) == 0
    part = sf.read("mix.wav")[0][SR // 2 : 3 * SR // 2]
    np.testing.assert_allclose(sum(stems_of(folder / "out").values()), part, atol=1e-5)
    assert main(["separate", "mix.wav", "-o", "no", "--split", "--start", "1", "--end", "1"]) == 2


def test_unknown_sources_of_a_long_file_say_what_memory_they_need(folder, capsys, monkeypatch):
    monkeypatch.setattr("nmfaudio.separation.files._memory", lambda: 1e6)
    monkeypatch.setattr("nmfaudio.cli.separate._MUCH", 1e6)
    assert main(["separate", "mix.wav", "-o", "out", "--stems", "2"]) == 2
    said = capsys.readouterr().err
    assert "mix.wav: needs about 0.0 GB of memory; less for a part (--start, --end)" in said
    assert "take a part of it (--start and --end), or give dictionaries" in said
    assert not (folder / "out").exists()


@pytest.mark.needs_jit
def test_the_memory_spoken_of_is_that_of_all_groups(folder, capsys, monkeypatch):
    groups = {f"group{k}": [k] for k in range(20)}
    (folder / "groups.json").write_text(json.dumps(groups))
    two, all_of_them = (memory_for("mix.wav", n) for n in (2, len(groups) + 1))
    monkeypatch.setattr("nmfaudio.cli.separate._MUCH", (two + all_of_them) / 2)
    assert main(["separate", "mix.wav", "-o", "out", "--groups", "groups.json"]) == 0
    assert "mix.wav: needs about" in capsys.readouterr().err


def test_songs_that_have_their_stems_are_skipped(folder, capsys):
    for name in ("a", "b", "c"):
        sf.write(f"piano/{name}.wav", SOURCES[0], SR)
    argv = ["separate", "piano", "-o", "out", "--split"]
    assert main(argv) == 0
    assert "4 files: 4 done\n" in capsys.readouterr().err
    (folder / "out" / "b" / "harmonic.wav").unlink()
    for path in (folder / "out" / "c").iterdir():
        path.unlink()
    before = {path: path.stat() for path in folder.rglob("*.wav")}
    assert main([*argv, "--skip-existing"]) == 1
    said = capsys.readouterr().err
    assert "piano/a.wav: skipped, out/a/harmonic.wav exists\n" in said
    assert "error: out/b: is not empty: give --overwrite" in said
    assert said.endswith("4 files: 1 done, 2 skipped, 1 failed\n")
    assert {path: path.stat() for path in before} == before and (folder / "out" / "c" / "harmonic.wav").exists()
    assert main(["separate", "mix.wav", "--split", "-q"]) == 0
    assert main(["separate", "mix.wav", "--split", "-q", "--skip-existing"]) == 0
    assert not capsys.readouterr().err


def test_stems_beside_their_songs_are_no_songs_at_the_next_run(folder, capsys):
    for name in ("b", "c"):
        sf.write(f"{name}.wav", SOURCES[0], SR)
    assert main(["separate", "b.wav", "--split", "-q"]) == 0
    songs = ["b.wav", "b_harmonic.wav", "b_percussive.wav", "c.wav"]
    before = {name: (folder / name).stat() for name in songs}
    argv = ["separate", *songs, "--split"]
    assert main([*argv, "--overwrite"]) == 2  # a song may have the name of a stem
    assert "b_harmonic.wav: is also the input b_harmonic.wav, which would be lost" in capsys.readouterr().err
    assert main([*argv, "--skip-existing"]) == 0
    passed, *_, skipped, done, counts = capsys.readouterr().err.splitlines()
    assert passed == "b_harmonic.wav: passed over, as b.wav has a stem of that name: to separate it, give it alone"
    assert [skipped, done, counts] == [
        "b.wav: skipped, b_harmonic.wav exists",
        "c.wav -> c_harmonic.wav, c_percussive.wav",
        "2 files: 1 done, 1 skipped",
    ]
    assert main(argv) == 2 and "b_harmonic.wav: exists already: give --overwrite" in capsys.readouterr().err
    assert {name: (folder / name).stat() for name in songs} == before
    (folder / "b_percussive.wav").unlink()  # b was not separated: b_harmonic may be a song
    assert main(["separate", *songs[:2], "--split", "--skip-existing"]) == 2
    assert "b_harmonic.wav: is also the input" in capsys.readouterr().err


@pytest.mark.needs_jit
def test_components_are_skipped_with_their_groups(folder, capsys):
    argv = ["separate", "mix.wav", "-o", "out", "--stems", "2", "--components", "4", "--skip-existing"]
    assert main(argv) == main(argv) == 0
    assert capsys.readouterr().err.endswith("mix.wav: skipped, out/source1.wav exists\n")
    (folder / "out" / "groups.json").unlink()
    assert main(argv) == 2


@pytest.mark.needs_jit
@pytest.mark.parametrize("place", [["-o", "out"], []])
def test_a_song_of_fewer_sources_than_asked_for_is_skipped_too(folder, capsys, monkeypatch, place):
    monkeypatch.setattr(Components, "group", lambda self, n_sources: {"source1": [0, 1, 2]})
    argv = ["separate", "mix.wav", *place, "--stems", "2", "--components", "3", "--skip-existing"]
    assert main(argv) == 0
    (first,) = folder.rglob("*source*.wav")
    assert main(argv) == 0
    assert capsys.readouterr().err.endswith(f"mix.wav: skipped, {first.relative_to(folder)} exists\n")
    listing = first.with_name(first.name.replace("source1.wav", "groups.json"))
    listing.write_text("[]")
    assert main(argv) == 2 and "groups.json: must hold a JSON object" in capsys.readouterr().err


def test_a_file_that_breaks_off_leaves_no_folder(folder):
    sf.write("long.flac", np.tile(SOURCES.sum(axis=0), 30), SR)
    data = (folder / "long.flac").read_bytes()
    (folder / "broken.flac").write_bytes(data[: len(data) // 2] + bytes(9000) + data[len(data) // 2 :])
    assert main(["separate", "broken.flac", "-o", "new/out", "--split", "-q"]) == 2
    assert not (folder / "new").exists()
