"""Damaged files of all containers: all of the sound, or an error in one line whose advice works."""

import re
import subprocess
import warnings

import numpy as np
import pytest
import soundfile as sf

from nmfaudio import audio
from nmfaudio.audio import ffmpeg
from nmfaudio.errors import AudioError

SR, SECONDS = 16000, 3
LIBSNDFILE = [
    ("wav", "WAV", "PCM_16"),
    ("wav", "WAV", "IMA_ADPCM"),
    ("rf64", "RF64", "PCM_24"),
    ("w64", "W64", "FLOAT"),
    ("aiff", "AIFF", "PCM_16"),
    ("au", "AU", "PCM_16"),
    ("caf", "CAF", "PCM_16"),
    ("caf", "CAF", "ALAC_16"),
    ("flac", "FLAC", "PCM_16"),
    ("ogg", "OGG", "VORBIS"),
    ("opus", "OGG", "OPUS"),
    ("mp3", "MP3", "MPEG_LAYER_III"),
    ("nist", "NIST", "PCM_16"),
    ("nist", "NIST", "ULAW"),
    ("aiff", "AIFF", "DWVW_16"),
]
FFMPEG = {
    "m4a": [],
    "mp4": ["-movflags", "faststart"],
    "mka": ["-c:a", "flac"],
    "webm": ["-c:a", "libopus"],
    "wma": [],
    "avi": [],
    "flv": ["-ar", "44100"],
    "ogv": ["-c:a", "libvorbis"],
}
FRAMES = {"aac": [], "ac3": [], "ts": []}  # these say nowhere how long they are
KINDS = [*LIBSNDFILE, *FFMPEG, *FRAMES]
SAMPLE = [1, pytest.param(30, marks=pytest.mark.slow)]


def voice():
    rng = np.random.default_rng(0)
    t = np.arange(SR * SECONDS) / SR
    return 0.3 * np.sin(2 * np.pi * 200 * t) * (1 + np.sin(2 * np.pi * 3 * t)) / 2 + 0.01 * rng.standard_normal(len(t))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A file of a kind, and how long it is."""
    folder, made = tmp_path_factory.mktemp("whole"), {}
    sf.write(folder / "voice.wav", voice(), SR)

    def make(kind):
        if kind not in made:
            if isinstance(kind, tuple):
                path = folder / f"{kind[2]}.{kind[0]}"
                sf.write(path, voice(), SR, kind[2], format=kind[1])
            elif not ffmpeg.installed():
                pytest.skip("ffmpeg is not installed")
            else:
                path = folder / f"whole.{kind}"
                options = {**FFMPEG, **FRAMES}[kind]
                subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", folder / "voice.wav", *options, path], check=True)
            y, sr = audio.read(path)
            made[kind] = path, y.shape[1] / sr
        return made[kind]

    return make


def read(path, **part):
    """Read a file that may be damaged; give its seconds, or None and the error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            y, sr = audio.read(path, **part)
        except AudioError as error:
            assert "\n" not in str(error) and str(path) in str(error)
            return None, str(error)
    return y.shape[1] / sr, ""


def check_advice(path, error, longest_s):
    """Follow the advice of an error, if it gives one."""
    advice = re.search(r"--end (\d+\.\d+)", error)
    if advice:
        end_s = float(advice.group(1))
        assert end_s <= longest_s + 0.01
        seconds, again = read(path, stop_s=end_s)
        assert seconds is not None, again
        assert seconds >= end_s - 0.2


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("n", SAMPLE)
def test_cut_files_are_refused_with_advice_that_works(tmp_path, whole, kind, n):
    path, seconds = whole(kind)
    content = path.read_bytes()
    rng = np.random.default_rng(n)
    for size in (len(content) - 1, *rng.integers(len(content) // 5, len(content), n)):
        cut = tmp_path / f"cut{path.suffix}"
        cut.write_bytes(content[:size])
        got, error = read(cut)
        if got is not None:
            assert kind in FRAMES or got > seconds - 0.1, f"{size} of {len(content)} bytes: silently {got} s"
        else:
            check_advice(cut, error, seconds)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("n", SAMPLE)
def test_flipped_bits_end_in_sound_or_in_an_error(tmp_path, whole, kind, n):
    path, _ = whole(kind)
    rng = np.random.default_rng(n)
    for _ in range(n):
        content = bytearray(path.read_bytes())
        for place in rng.integers(0, len(content), rng.integers(1, 5)):
            content[place] ^= 1 << rng.integers(8)
        damaged = tmp_path / f"damaged{path.suffix}"
        damaged.write_bytes(content)
        read(damaged)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("n", SAMPLE)
def test_junk_in_the_middle_ends_in_sound_or_in_an_error(tmp_path, whole, kind, n):
    path, _ = whole(kind)
    content = path.read_bytes()
    rng = np.random.default_rng(n)
    for _ in range(n):
        at, size = rng.integers(0, len(content)), rng.integers(1, 3000)
        damaged = tmp_path / f"damaged{path.suffix}"
        junk = rng.bytes(size) if rng.random() < 0.5 else bytes(size)
        damaged.write_bytes(content[:at] + junk + content[at + (size if rng.random() < 0.5 else 0) :])
        read(damaged)
