"""Places to write to: inputs, files that appear meanwhile, pipes, names with control characters."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile as sf

from nmfaudio import audio, denoise_file
from nmfaudio.audio import ffmpeg
from nmfaudio.cli.denoise import main
from nmfaudio.cli.main import main as nmfaudio
from nmfaudio.dictionary import Dictionary
from nmfaudio.errors import NmfaudioError

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX files")
FAST = ["-d", "speech-sparse", "--attenuation-limit", "0"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sf.write("in.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 8000), 16000)
    return tmp_path


@posix
@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.parametrize("option", ["--report", "--residual", "--save-profile"])
def test_an_option_never_replaces_an_input(folder, capsys, option, link):
    name = "same.npz" if option == "--save-profile" else "same.json"
    link("in.wav", name)
    before = (folder / "in.wav").read_bytes()
    assert main(["in.wav", "out.wav", *FAST, "--noise", "0-0.4", option, name, "--overwrite"]) == 2
    assert "input" in capsys.readouterr().err
    assert (folder / "in.wav").read_bytes() == before
    assert not (folder / "out.wav").exists()


def test_the_residual_of_a_file_is_not_the_file(folder):
    with pytest.raises(NmfaudioError, match="is also the input"):
        denoise_file("in.wav", "out.wav", residual="in.wav", overwrite=True, attenuation_limit_db=0)


@posix
def test_a_stem_does_not_replace_the_mixture(folder, capsys):
    (folder / "harmonic.wav").write_bytes((folder / "in.wav").read_bytes())
    before = (folder / "harmonic.wav").read_bytes()
    assert nmfaudio(["separate", "harmonic.wav", "--split", "-o", ".", "--overwrite"]) == 2
    assert "is also the input" in capsys.readouterr().err
    assert (folder / "harmonic.wav").read_bytes() == before


def test_a_file_that_appears_meanwhile_is_kept(folder):
    def progress(part):
        (folder / "out.wav").write_text("of somebody else")

    with pytest.raises(NmfaudioError, match="exists already"):
        denoise_file("in.wav", "out.wav", attenuation_limit_db=0, dictionary="speech-sparse", progress=progress)
    assert (folder / "out.wav").read_text() == "of somebody else"


@posix
def test_pipes_as_outputs_stay_pipes(folder):
    for command, output in [
        (lambda: main(["in.wav", "pipe.wav", *FAST]), "pipe.wav"),
        (lambda: nmfaudio(["repair", "in.wav", "pipe2.wav"]), "pipe2.wav"),
        (lambda: main(["in.wav", "out.wav", *FAST, "--report", "pipe.json"]), "pipe.json"),
    ]:
        os.mkfifo(output)
        got = []
        reader = threading.Thread(target=lambda output=output, got=got: got.append((folder / output).read_bytes()))
        reader.start()
        assert command() == 0
        reader.join(timeout=60)
        assert len(got[0]) > 100
        assert not (folder / output).is_file()


@posix
def test_control_characters_of_names_do_not_reach_the_terminal(folder, capsys):
    name = "a\x1b[31m\n.wav"
    (folder / name).write_text("no sound")
    assert main([name, "out.wav", *FAST]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "\x1b" not in err and r"a\x1b[31m\n.wav" in err


@pytest.mark.skipif(not ffmpeg.installed(), reason="ffmpeg is not installed")
def test_bit_rates_are_kept_and_can_be_chosen(folder):
    sf.write("long.wav", 0.1 * np.random.default_rng(0).standard_normal((2 * 48000, 2)), 48000)
    for name, *options in [
        ("a.mp3", "-b:a", "192k"),
        ("b.opus", "-b:a", "64k"),
        ("c.ogg", "-c:a", "libvorbis", "-q:a", "2"),
        ("d.m4a", "-b:a", "64k"),
    ]:
        subprocess.run(["ffmpeg", "-v", "error", "-i", "long.wav", *options, name], check=True)
        assert main([name, f"out_{name}", *FAST]) == 0
        sizes = [(folder / path).stat().st_size for path in (name, f"out_{name}")]
        assert sizes[1] == pytest.approx(sizes[0], rel=0.15), name
    assert main(["long.wav", "low.mp3", *FAST, "--bitrate", "64k"]) == 0
    assert audio.info("low.mp3").bit_rate == pytest.approx(64000, rel=0.1)
    assert main(["long.wav", "best.ogg", *FAST, "--quality", "1"]) == 0
    assert main(["long.wav", "worst.ogg", *FAST, "--quality", "0"]) == 0
    assert (folder / "best.ogg").stat().st_size > 3 * (folder / "worst.ogg").stat().st_size


@pytest.mark.parametrize("words", [["--bitrate", "1"], ["--bitrate", "fast"], ["--quality", "2"]])
def test_bit_rates_that_cannot_be_meant_are_refused(folder, capsys, words):
    with pytest.raises(SystemExit) as caught:
        main(["in.wav", "out.mp3", *words])
    assert caught.value.code == 2
    assert words[1] in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_full_device_is_an_error(folder, capsys):
    assert main(["in.wav", "/dev/full", *FAST, "--format", "wav"]) == 2
    assert "/dev/full: cannot be written (No space left on device)" in capsys.readouterr().err


@posix
@pytest.mark.parametrize("command", [["repair", "pipe.wav", "out.wav"], ["separate", "pipe.wav", "-o", "out"]])
def test_pipes_as_inputs_are_refused_and_not_waited_for(folder, capsys, command):
    os.mkfifo("pipe.wav")
    assert nmfaudio(command) == 2
    assert "pipe.wav: is a pipe or a device" in capsys.readouterr().err


@posix
def test_pipes_and_residuals_in_a_folder_are_no_inputs(folder, capsys):
    (folder / "in").mkdir()
    (folder / "in.wav").rename(folder / "in" / "a.wav")
    os.mkfifo(folder / "in" / "pipe.wav")
    for _ in range(2):
        assert main(["in", "--out-dir", "in/out", "--residual", "in/rest", *FAST, "--overwrite"]) == 1
        assert "in/pipe.wav: is a pipe or a device" in capsys.readouterr().err
    assert sorted(path.name for path in (folder / "in" / "out").rglob("[!.]*")) == ["a.wav"]
    assert sorted(path.name for path in (folder / "in" / "rest").rglob("[!.]*")) == ["a.wav"]
    assert audio.list_files("in")[0].name == "a.wav"
    assert all(path.name != "pipe.wav" for path in audio.list_files("in"))


@posix
def test_a_link_planted_as_the_mark_of_a_folder_is_not_followed(folder):
    (folder / "in" / "out").mkdir(parents=True)
    os.rename("in.wav", "in/a.wav")
    (folder / "mine.txt").write_text("mine")
    os.symlink(folder / "mine.txt", "in/out/.nmfaudio")
    assert main(["in", "-o", "in/out", *FAST]) == 0
    assert (folder / "mine.txt").read_text() == "mine" and (folder / "in" / "out" / "a.wav").exists()


@posix
@pytest.mark.parametrize(
    "command, words",
    [
        ("report in.wav same.html --overwrite", "is also the input in.wav"),
        ("repair in.wav link.wav --overwrite", "link.wav: is the input itself: give --in-place"),
        ("dictionaries export d.npz d.npz --overwrite", "is also the input d.npz"),
        ("evaluate --clean clean --noisy clean --csv same.csv --overwrite", "same.csv: is also the input"),
        ("repair in.wav no/out.wav", "no/out.wav: cannot be written (No such file or directory)"),
        ("report in.wav no/out.html", "no/out.html: cannot be written (No such file or directory)"),
        ("evaluate --clean clean --noisy clean --csv no/s.csv", "no/s.csv: cannot be written"),
        ("separate in.wav --split -o in.wav/out", "in.wav/out: cannot be made (Not a directory): choose another place"),
        ("denoise in.wav -o in.wav/out", "in.wav/out: cannot be made (Not a directory): choose another place"),
        ("separate in.wav --learn a=2 --guidance clean", "clean: cannot be read (Is a directory): give a JSON file"),
        ("repair in.wav out.wav --gap 50-51", "in.wav: the gap 50-51 s is beyond the end of the recording"),
        ("dictionaries info in.wav", "in.wav: not a readable dictionary: give an .npz file, or get it anew"),
        ("dictionaries export d.npz no/", "no: no such folder: make it first, or give no.npz"),
        ("separate in.wav --split -o in.wav", "in.wav: names a file"),
        ("denoise in.wav -o link.wav", "link.wav: names a file: give a folder"),
    ],
)
def test_places_of_other_commands_are_checked_before_the_work(folder, capsys, command, words):
    Dictionary("sparse", {"speech": np.eye(257, 3), "noise": np.eye(257, 2)}).save("d.npz")
    (folder / "clean").mkdir()
    os.link("in.wav", "clean/a.wav")
    for name in ("same.html", "link.wav", "same.csv"):
        os.symlink("in.wav", name)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert nmfaudio(command.split()) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@posix
@pytest.mark.parametrize(
    "command",
    [
        "repair pipe.wav out.wav",
        "separate pipe.wav --split -o out",
        "report pipe.wav out.html",
        "denoise in.wav out.wav --noise pipe.wav",
        "denoise in.wav out.wav -d pipe.wav",
        "train source hiss pipe.wav -o out.npz",
        "dictionaries info pipe.wav",
    ],
)
def test_pipes_as_inputs_are_refused_and_never_waited_for(folder, command):
    os.mkfifo("pipe.wav")
    start = [sys.executable, "-c", "import sys; from nmfaudio.cli.main import main; sys.exit(main())"]
    done = subprocess.run([*start, *command.split()], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "pipe.wav" in done.stderr and done.stderr.count("\n") == 1
    assert not [path for path in folder.iterdir() if path.name.startswith("out")]


@posix
def test_a_place_in_place_keeps_its_mode_and_its_name(folder, capsys):
    os.chmod("in.wav", 0o600)
    assert main(["in.wav", "in.wav", *FAST, "--overwrite"]) == 2
    assert "give --in-place" in capsys.readouterr().err
    assert main(["in.wav", "in.wav", *FAST, "--in-place"]) == 0
    assert nmfaudio(["repair", "in.wav", "in.wav", "--in-place", "-q"]) == 0
    assert os.stat("in.wav").st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == ["in.wav"]


@pytest.mark.parametrize("command", [main, lambda words: nmfaudio(["repair", *words])])
def test_a_file_in_its_place_does_not_get_another_format(folder, capsys, command):
    before = (folder / "in.wav").read_bytes()
    assert command(["in.wav", "--in-place", "--format", "flac"]) == 2
    assert "in.wav: --in-place keeps its name, which is not of flac" in capsys.readouterr().err
    assert (folder / "in.wav").read_bytes() == before


def test_two_processes_clean_files_of_all_kinds_in_their_places(folder):
    kinds = [
        ("a.wav", 8000, 1, "PCM_U8"),
        ("b.wav", 48000, 6, "FLOAT"),
        ("c.flac", 96000, 2, "PCM_24"),
        ("d.ogg", 44100, 2, "VORBIS"),
        ("e.opus", 48000, 1, "OPUS"),
        ("f.mp3", 16000, 1, "MPEG_LAYER_III"),
        ("g.aiff", 22050, 2, "PCM_16"),
        ("h.caf", 44100, 1, "ALAC_24"),
    ]
    (folder / "in.wav").unlink()
    for name, sr, n_channels, subtype in kinds:
        y = np.random.default_rng(0).uniform(-0.3, 0.3, (sr // 4, n_channels))
        sf.write(name, y, sr, subtype, format="OGG" if subtype == "OPUS" else None)
    before = {name: audio.info(name) for name, *_ in kinds}
    samples = {name: audio.read(name)[0] for name in before}
    assert main([".", "-o", ".", "--in-place", "-j", "2", "-q", *FAST]) == 0
    assert sorted(path.name for path in folder.iterdir() if path.name[0] != ".") == sorted(before)
    for name, sr, n_channels, subtype in kinds:
        after = audio.info(name)
        assert (after.sr, after.channels, after.subtype) == (sr, n_channels, subtype)
        assert (after.format, after.frames) == (before[name].format, before[name].frames)
        if subtype in ("PCM_U8", "FLOAT", "PCM_24", "PCM_16", "ALAC_24"):
            np.testing.assert_array_equal(audio.read(name)[0], samples[name])


def test_hidden_files_of_an_address_are_no_inputs():
    UPath = pytest.importorskip("upath").UPath
    for name in ("a.wav", "b/c.wav", ".hidden.wav", ".trash/d.wav"):
        path = UPath("memory://attack") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"RIFF")
    assert [path.name for path in audio.list_files("memory://attack")] == ["a.wav", "c.wav"]


def test_an_address_that_cannot_be_reached_says_what_is_missing(monkeypatch):
    pytest.importorskip("upath")
    with pytest.raises(
        NmfaudioError, match=r"nothing://a.wav: cannot be reached \(.*nothing.*\): install what is missing"
    ):
        audio.locate("nothing://a.wav")
    monkeypatch.setitem(sys.modules, "upath", None)
    with pytest.raises(NmfaudioError, match=r"s3://b/a.wav: is an address: pip install 'nmfaudio\[remote\]'"):
        audio.locate("s3://b/a.wav")


def test_an_adapted_dictionary_may_replace_its_base_if_that_is_said(folder, capsys):
    Dictionary("sparse", {"speech": np.eye(257, 3), "noise": np.eye(257, 2)}).save("mine.npz")
    before = Dictionary.load("mine.npz")
    command = ["train", "adapt", "mine.npz", "--noise", "in.wav", "-o", "mine.npz"]
    assert nmfaudio(command) == 2
    assert "mine.npz: exists already: give --overwrite" in capsys.readouterr().err
    assert Dictionary.load("mine.npz").sha256 == before.sha256
    assert nmfaudio([*command, "--overwrite"]) == 0
    after = Dictionary.load("mine.npz")
    assert after.record["sha256_of_it"] == before.sha256
    assert after.profile is not None and before.profile is None
