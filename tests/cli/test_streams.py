"""Standard streams that are closed, that nobody reads, or that are full."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from nmfaudio.cli.main import SUBCOMMANDS

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a POSIX shell")

COMMANDS = {
    "denoise": "from nmfaudio.cli.denoise import main",
    "nmfaudio": "from nmfaudio.cli.main import main",
}
QUICK = "--strength 0 -d tiny.npz"
GONE = "mkdir gone; cd gone; rmdir ../gone; exec "
SMALL = "ulimit -f 50; "  # kilobytes: less than in.wav
CLOSED = ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    from nmfaudio.dictionary import Dictionary

    monkeypatch.chdir(tmp_path)
    sf.write("in.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 50_000), 16000)
    Dictionary("sparse", {"speech": np.eye(257, 3), "noise": np.eye(257, 2)}).save("tiny.npz")


def shell(line):
    """Run a line in which the two commands may be used."""
    for name, code in COMMANDS.items():
        start = shlex.join([sys.executable, "-c", f"import sys; {code}; sys.exit(main())"])
        line = (
            line.replace(f"{name} ", f"{start} ")
            if line.startswith((name, f"{GONE}{name}", f"{SMALL}{name}"))
            else line
        )
    return subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, timeout=120)


@pytest.mark.needs_jit
@pytest.mark.parametrize("closed", CLOSED)
@pytest.mark.parametrize(
    "line, output",
    [
        (f"denoise {QUICK} -v in.wav out.wav", "out.wav"),
        ("nmfaudio repair in.wav out.wav", "out.wav"),
        ("nmfaudio dictionaries export speech-fast out.npz", "out.npz"),
    ],
)
def test_files_are_written_with_streams_closed(line, output, closed):
    done = shell(f"{line} {closed}")
    assert done.returncode == 0, done.stderr
    assert Path(output).stat().st_size > 1000
    assert b"Error" not in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize("line", ["denoise none.wav out.wav", "nmfaudio denose", "nmfaudio report no.wav"])
def test_errors_keep_their_exit_code(line):
    done = shell(f"{line} <&- 2>&-")
    assert done.returncode == 2
    assert not done.stdout and b"Traceback" not in done.stderr


@pytest.mark.parametrize("line", ["nmfaudio dictionaries list", "nmfaudio --help", "denoise --version"])
def test_what_is_only_printed_is_printed_to_nobody(line):
    done = shell(f"{line} >&-")
    assert done.returncode == 0 and b"Error" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "line",
    [
        "nmfaudio --version",
        "nmfaudio --help",
        "nmfaudio ",
        "nmfaudio dictionaries",
        "denoise --version",
        "denoise --help",
        "nmfaudio completion bash",
        "nmfaudio dictionaries list",
        "nmfaudio dictionaries info speech-fast",
        f"denoise {QUICK} in.wav",
        f"denoise {QUICK} --end 0.1 in.wav -",
    ],
)
def test_what_cannot_be_printed_is_an_error(line, unbuffered, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    done = shell(f"{line} > /dev/full")
    assert done.returncode == 2
    assert b": error: " in done.stderr and b"No space left on device" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("line", [*(f"nmfaudio {name}" for name in SUBCOMMANDS), "denoise in.wav", "nmfaudio --help"])
def test_a_working_folder_that_was_deleted_is_named(line):
    done = shell(f"{GONE}{line}")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"gone: cannot work in this folder" in done.stderr and b": cd to one that exists" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "line, words",
    [
        ("denoise - out.wav <&-", b"standard input: is closed"),
        ("denoise in.wav - >&-", b"standard output: is closed"),
        ("denoise /dev/zero out.wav", b"/dev/zero: is a device"),
    ],
)
def test_sound_from_nowhere_or_to_nowhere_is_an_error(line, words):
    done = shell(line.replace("denoise", f"denoise {QUICK}"))
    assert done.returncode == 2
    assert words in done.stderr and done.stderr.count(b"\n") == 1
    assert not Path("out.wav").exists()


@pytest.mark.parametrize("source", ["- out.wav < in.wav", "<(cat in.wav) out.wav"])
def test_a_copy_that_has_no_room_is_not_taken_for_the_output(tmp_path, source):
    done = shell(f"{SMALL}denoise {QUICK} {source}")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b": cannot be copied to " in done.stderr and b"(File too large): make room there, or set" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.needs_jit
def test_a_reader_that_has_enough_is_no_error():
    done = shell(f"denoise {QUICK} - - < in.wav | head -c 10")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == Path("in.wav").read_bytes()[:10]


@pytest.mark.needs_jit
@pytest.mark.parametrize("stderr", ["/dev/full", ">(true)"])
def test_messages_that_nobody_takes_stop_nothing(stderr):
    shell(f"denoise {QUICK} -v none.wav in.wav --out-dir out 2> {stderr}")
    assert sf.info("out/in.wav").frames == 50_000
