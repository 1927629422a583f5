"""What a new user sees: bars on a terminal, names that are made up, warnings."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from signals import real_recording

from nmfaudio.audio.loudness import loudness
from nmfaudio.cli.console import compilation_bar
from nmfaudio.cli.denoise import main
from nmfaudio.cli.main import main as nmfaudio_command
from nmfaudio.dictionary import Dictionary

SR = 16000


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Current folder with a recording and the smallest dictionary."""
    monkeypatch.chdir(tmp_path)
    sf.write("in.wav", real_recording()[0][: 2 * SR], SR)
    Dictionary("sparse", {"speech": np.eye(257, 3), "noise": np.eye(257, 2)}).save("tiny.npz")
    return tmp_path


def screen(data):
    """Return the lines that a terminal has shown in the end, and those that came by."""
    lines, row, column, seen = [""], 0, 0, set()
    text = data.decode().replace("\x1b[0m", "").replace("\x1b[A", "\0")  # up a line
    for c in text:
        if c == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif c == "\r":
            seen.update(line.rstrip() for line in lines)
            column = 0
        elif c == "\0":
            row = max(0, row - 1)
        else:
            line = lines[row].ljust(column)
            lines[row] = line[:column] + c + line[column + 1 :]
            column += 1
    return [line.rstrip() for line in lines if line.strip()], seen


def on_a_terminal(code, columns=80, **environment):
    """Run Python code whose stderr and stdout are a terminal."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {**os.environ, **environment}
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    process = subprocess.Popen([sys.executable, "-c", code], env=env, **streams)
    os.close(theirs)
    data = b""
    while True:
        try:
            more = os.read(ours, 1 << 16)
        except OSError:  # as Linux says that the other end is closed
            break
        if not more:
            break
        data += more
    os.close(ours)
    assert process.wait() == 0, data
    return screen(data)


DENOISE = "import sys; from nmfaudio.cli.denoise import main; sys.exit(main({argv}))"
posix = pytest.mark.skipif(os.name != "posix", reason="a POSIX terminal")


@posix
@pytest.mark.needs_jit
def test_the_first_start_says_that_it_compiles_and_the_second_does_not(folder):
    code = DENOISE.format(argv=["in.wav", "out.wav", "-d", "tiny.npz", "--overwrite"])
    cache = {"NUMBA_CACHE_DIR": str(folder / "cache")}
    lines, seen = on_a_terminal(code, **cache)
    assert any("%  compiling for this machine, once" in line for line in seen)
    assert len(lines) == 1 and lines[0].startswith("in.wav -> out.wav: 2.0 s, 16000 Hz, 1 channel in ")
    assert "s of compiling" in lines[0]
    lines, seen = on_a_terminal(code, **cache)
    assert not any("compiling" in line for line in [*lines, *seen])


@posix
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_lines_and_the_bar_of_a_folder_do_not_touch(folder, n_jobs):
    Path("many").mkdir()
    names = [f"a recording with a name that is longer than it needs to be {i}.wav" for i in range(4)]
    for name in names:
        sf.write(folder / "many" / name, np.zeros(SR), SR)
    argv = ["many", "-o", "out", "-d", "tiny.npz", "--strength", "0", "-j", str(n_jobs)]
    lines, seen = on_a_terminal(DENOISE.format(argv=argv), columns=400)
    assert len(lines) == 5 and lines[-1] == "4 files: 4 done"
    assert all(line.startswith("many/a recording") and line.count("->") == 1 and "%" not in line for line in lines[:-1])
    bars = {line for line in seen if line.startswith("[")}
    assert any("/4" in bar and bar.endswith(" left") for bar in bars)


@posix
def test_a_long_name_does_not_break_the_bar_of_a_narrow_terminal():
    name = "a recording with a name that is longer than it needs to be.wav"
    os.rename("in.wav", name)
    argv = [name, "out.wav", "-d", "tiny.npz", "--strength", "0"]
    _, seen = on_a_terminal(DENOISE.format(argv=argv), columns=60)
    bars = [line for line in seen if line.startswith("[")]
    assert any("...to be.wav" in bar for bar in bars)
    assert all(len(bar) < 60 for bar in bars)


@pytest.mark.needs_jit
def test_time_of_compilation_is_counted():
    import numba

    @numba.njit
    def inner(x):
        return x + 1

    @numba.njit
    def outer(x):
        return inner(x)

    with compilation_bar() as compilation:
        outer(1)
        outer(2)
    assert compilation.n_kernels == 2 and compilation.seconds > 0


def test_a_file_alone_is_cleaned_beside_itself(folder, capsys):
    (folder / "a talk").mkdir()
    os.rename("in.wav", "a talk/in.part.wav")
    assert main(["a talk/in.part.wav", "-d", "tiny.npz"]) == 0
    assert capsys.readouterr() == ("a talk/in.part_cleaned.wav\n", "")
    before = Path("a talk/in.part_cleaned.wav").read_bytes()
    assert main(["a talk/in.part.wav", "-d", "tiny.npz", "--strength", "0"]) == 2
    assert "in.part_cleaned.wav: exists already" in capsys.readouterr().err
    assert Path("a talk/in.part_cleaned.wav").read_bytes() == before
    assert main(["a talk/in.part.wav", "-d", "tiny.npz", "--format", "flac", "-q"]) == 0
    assert capsys.readouterr() == ("", "")
    assert sf.info("a talk/in.part_cleaned.flac").format == "FLAC"


def test_a_name_with_a_space_needs_quotes(folder, capsys):
    os.rename("in.wav", "my talk.wav")
    assert main(["my", "talk.wav"]) == 2
    assert capsys.readouterr().err == "denoise: error: my: no such file: put the name in quotes, 'my talk.wav'\n"
    os.rename("my talk.wav", "talk.wav")
    for command, name in ((main, "denoise"), (lambda words: nmfaudio_command(["denoise", *words]), "nmfaudio denoise")):
        assert command(["my", "talk.wav"]) == 2
        assert capsys.readouterr().err == f"{name}: error: my: no such file\n"


def test_names_that_were_meant_for_a_folder(folder, capsys):
    assert main(["in.wav", "new/"]) == 2
    assert "new/: no such folder: make it first, or give -o new/ to have it made" in capsys.readouterr().err
    assert main(["in.wav", "new"]) == 2
    assert "new: has no suffix: give new.wav, or -o new if a folder is meant" in capsys.readouterr().err
    assert main(["in.wav", "-o", "new.wav"]) == 2
    assert "new.wav: names a file: give a folder for what comes out, or leave out -o\n" in capsys.readouterr().err
    assert not Path("new").exists() and not Path("new.wav").exists()
    Path("new").mkdir()
    assert main(["in.wav", "new/", "-d", "tiny.npz"]) == 0
    assert main(["in.wav", "bare", "--format", "wav", "-d", "tiny.npz"]) == 0
    assert Path("new/in.wav").is_file() and Path("bare").is_file()


@pytest.mark.parametrize(
    "part, words",
    [
        ("0-0.05", "noise of 0.05 s is too short for a profile: give 0.25 s or more"),
        ("0-100", "ends at 2.00 s, before the end of the noise at 100 s"),
        ("1-2.5", "ends at 2.00 s, before the end of the noise at 2.5 s"),
        ("5-6", "is over before 5.0 s"),
    ],
)
def test_noise_that_is_not_in_the_recording(part, words, capsys):
    assert main(["in.wav", "out.wav", "--noise", part]) == 2
    assert words in capsys.readouterr().err
    assert not Path("out.wav").exists()


@pytest.mark.needs_jit
def test_a_gap_that_is_too_long_is_filled_with_a_warning(capsys):
    assert nmfaudio_command(["repair", "in.wav", "out.wav", "--gap", "0.5-1.2", "--gap", "0.1-0.12"]) == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert len(warnings) == 1 and "the gap 0.5-1.2 s is longer than 0.08 s: what fills it" in warnings[0]


@pytest.mark.needs_jit
def test_music_that_is_taken_away_is_a_warning(capsys):
    t = np.arange(SR) / SR
    chords = [sum(np.sin(2 * np.pi * k * hz * n * t) / k for k in range(1, 7) for n in (4, 5, 6)) for hz in (55, 49)]
    sf.write("song.wav", 0.05 * np.concatenate([chord * np.hanning(SR) ** 0.2 for chord in 4 * chords]), SR)
    assert main(["song.wav", "cleaned.wav"]) == 0
    err = capsys.readouterr().err
    assert err.startswith("warning: song.wav: is mostly music, of which ") and "nmfaudio separate" in err
    assert main(["song.wav", "cleaned.wav", "--overwrite", "--attenuation-limit", "2"]) == 0  # little is taken
    assert main(["song.wav", "cleaned.wav", "--overwrite", "-q"]) == 0
    assert main(["in.wav", "other.wav", "-d", "tiny.npz"]) == 0
    assert capsys.readouterr().err == ""


def test_loudness_and_presets(capsys):
    quiet = ["-d", "tiny.npz", "--overwrite", "--strength", "0"]
    assert main(["in.wav", "out.wav", *quiet, "--loudness", "-20"]) == 0
    assert loudness(sf.read("out.wav")[0], SR) == pytest.approx(-20, abs=0.2)
    assert main(["in.wav", "out.wav", *quiet, "--preset", "podcast"]) == 0
    assert loudness(sf.read("out.wav")[0], SR) == pytest.approx(-16, abs=0.2)
    assert main(["--loudness", "-30", "in.wav", "out.wav", *quiet, "--preset", "podcast"]) == 0  # the option wins
    assert loudness(sf.read("out.wav")[0], SR) == pytest.approx(-30, abs=0.2)
    with pytest.raises(SystemExit):
        main(["in.wav", "out.wav", "--loudness", "3"])
    assert "'3' is not a loudness in LUFS from -70 to 0" in capsys.readouterr().err


def test_what_was_removed_does_not_depend_on_the_loudness():
    for name, options in (("a", []), ("b", ["--loudness", "-20"])):
        assert main(["in.wav", f"{name}.wav", "-d", "tiny.npz", "--residual", f"{name}_removed.wav", *options]) == 0
    np.testing.assert_array_equal(sf.read("a_removed.wav")[0], sf.read("b_removed.wav")[0])


def test_an_address_keeps_its_slashes(capsys):
    assert main(["https://example.invalid/talk.wav", "out.wav"]) == 2
    assert "https://example.invalid/talk.wav: " in capsys.readouterr().err
