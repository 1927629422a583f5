"""Disks that become full at any moment: the old file stays, nothing else does, and the error names the cause."""

import os
import subprocess
from contextlib import contextmanager

import numpy as np
import pytest
import soundfile as sf

from nmfaudio import audio
from nmfaudio.audio import ffmpeg
from nmfaudio.cli.main import main
from nmfaudio.dictionary import Dictionary, FrontEnd
from nmfaudio.errors import NmfaudioError

SR, SECONDS = 16000, 3
LIBSNDFILE = [
    ("WAV", "PCM_16"),
    ("AIFF", "PCM_24"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
    ("CAF", "ALAC_16"),
]
FFMPEG = [("M4A", "aac"), ("MKA", "flac"), ("MP4", ""), ("WMA", ""), ("AAC", ""), ("AVI", ""), ("TS", "")]


def limited(path, size, put):
    """Let no file become larger than `size` bytes."""
    resource = pytest.importorskip("resource")
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, former[1]))
    try:
        put(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


@contextmanager
def small_disk(folder, size):
    """Make a folder a disk of `size` bytes."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder]
    if os.name == "nt" or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a disk")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def write_sound(path, kind):
    y = 0.1 * np.random.default_rng(0).standard_normal((1, SECONDS * SR)).astype(np.float32)
    with audio.open_like(path, audio.AudioInfo(path, SR, 1, y.shape[1], *kind)) as out:
        for block in np.array_split(y, 5, axis=1):
            out.write(block)


def write_dictionary(path):
    atoms = np.random.default_rng(0).random((257, 60))
    atoms /= np.linalg.norm(atoms, axis=0)
    Dictionary("sparse", {"speech": atoms, "noise": atoms}, FrontEnd()).save(path)


def sizes(whole, n, seed):
    """Sizes that are too small: by the last bytes, and any."""
    return {whole - 1, whole // 2, *map(int, np.random.default_rng(seed).integers(1, whole, n))}


def assert_old_file_stays(path, put, words):
    path.write_text("old")
    with pytest.raises(NmfaudioError, match=words) as caught:
        put(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old"
    assert [other.name for other in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", LIBSNDFILE + FFMPEG, ids="-".join)
@pytest.mark.parametrize("n", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_sound_that_finds_no_room(tmp_path, kind, n):
    if kind in FFMPEG and not ffmpeg.installed():
        pytest.skip("ffmpeg is not installed")
    if kind[1].startswith("ALAC"):
        pytest.skip("libsndfile dies where its temporary file of ALAC finds no room, which this limit holds for too")
    path = tmp_path / f"sound.{kind[0].lower()}"
    write_sound(path, kind)
    for size in sizes(path.stat().st_size, n, seed=n):
        words = "File too large|SIGXFSZ" if kind in FFMPEG else "File too large"
        assert_old_file_stays(path, lambda path, size=size: limited(path, size, lambda p: write_sound(p, kind)), words)


@pytest.mark.parametrize("kind", LIBSNDFILE + FFMPEG, ids="-".join)
def test_sound_on_a_full_disk(tmp_path, kind):
    if kind in FFMPEG and not ffmpeg.installed():
        pytest.skip("ffmpeg is not installed")
    path = tmp_path / f"sound.{kind[0].lower()}"
    write_sound(path, kind)
    pages = path.stat().st_size // 4096
    for room in (pages // 2 + 1, pages, pages + 1):  # one page is of the old file
        with small_disk(tmp_path, room * 4096):
            assert_old_file_stays(path, lambda path: write_sound(path, kind), "No space left on device")


@pytest.mark.parametrize("n", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_a_dictionary_that_finds_no_room(tmp_path, n):
    path = tmp_path / "mine.npz"
    write_dictionary(path)
    for size in sizes(path.stat().st_size, n, seed=n):
        assert_old_file_stays(
            path, lambda path, size=size: limited(path, size, write_dictionary), "mine.npz: cannot be written.*large"
        )


FAST = "-d speech-sparse --attenuation-limit 0 -q"
COMMANDS = {
    "denoise to WAV": ("o.wav", f"denoise in.wav OUT --overwrite {FAST}"),
    "denoise to FLAC": ("o.flac", f"denoise in.wav OUT --overwrite {FAST}"),
    "denoise to Ogg": ("o.ogg", f"denoise in.wav OUT --overwrite {FAST}"),
    "denoise to MP3": ("o.mp3", f"denoise in.wav OUT --overwrite {FAST}"),
    "denoise to M4A": ("o.m4a", f"denoise in.wav OUT --overwrite {FAST}"),
    "denoise to MKA": ("o.mka", f"denoise in.wav OUT --overwrite {FAST}"),
    "in place": ("o.wav", f"denoise OUT OUT --in-place {FAST}"),
    "residual": ("o.flac", f"denoise in.wav other.wav --residual OUT --overwrite {FAST}"),
    "report of denoise": ("o.json", f"denoise in.wav other.wav --report OUT --overwrite {FAST}"),
    "profile": ("o.npz", f"denoise in.wav other.wav --noise 0-1 --save-profile OUT --overwrite {FAST}"),
    "repair": ("o.wav", "repair in.wav OUT --overwrite -q"),
    "separate": ("harmonic.wav", "separate in.wav --split -o DISK --overwrite -q"),
    "report": ("o.html", f"report in.wav OUT --overwrite {FAST[:16]}"),
    "evaluate": ("o.csv", "evaluate --clean clean --noisy noisy --enhanced noisy --csv OUT --overwrite"),
    "export": ("o.npz", "dictionaries export speech-sparse OUT --overwrite"),
    "train source": ("o.npz", "train source hiss in.wav -o OUT --atoms 2 --overwrite -q"),
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("n", [1, pytest.param(7, marks=pytest.mark.slow)])
def test_a_command_on_a_full_disk_fails_and_keeps_the_old_file(tmp_path, monkeypatch, capsys, without_pesq, name, n):
    output, command = COMMANDS[name]
    if name in ("denoise to M4A", "denoise to MKA") and not ffmpeg.installed():
        pytest.skip("ffmpeg is not installed")
    monkeypatch.chdir(tmp_path)
    y = 0.1 * np.random.default_rng(0).standard_normal(2 * SR)
    for folder in ("clean", "noisy", "disk", "large"):
        (tmp_path / folder).mkdir()
    for path in ("in.wav", "clean/a.wav", f"large/{output}", "old.wav"):
        sf.write(path, y, SR, format="WAV")
    sf.write("noisy/a.wav", y + 0.01 * np.cos(np.arange(2 * SR)), SR)
    old = (tmp_path / "old.wav").read_bytes() if name == "in place" else b"old"

    def run(folder):
        words = command.replace("OUT", f"{folder}/{output}").replace("DISK", folder)
        return main(words.split())

    assert run("large") == 0
    pages = -(-sum(path.stat().st_size for path in (tmp_path / "large").iterdir()) // 4096)
    before = -(-len(old) // 4096)
    for room in {pages - 1, *np.random.default_rng(n).integers(0, pages, n).tolist()}:
        with small_disk(tmp_path / "disk", (before + room) * 4096):
            (tmp_path / "disk" / output).write_bytes(old)
            capsys.readouterr()
            assert run("disk") == 2
            error = capsys.readouterr().err
            assert "No space left on device" in error and error.count("\n") == 1
            assert (tmp_path / "disk" / output).read_bytes() == old
            assert [path.name for path in (tmp_path / "disk").iterdir()] == [output]
