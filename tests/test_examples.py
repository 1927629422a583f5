import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from nmfaudio import Denoiser, Dictionary, StreamingDenoiser
from nmfaudio.audio import ffmpeg

EXAMPLES = Path(__file__).parents[1] / "examples"
pytestmark = pytest.mark.needs_jit  # scripts are run as their readers run them


def run(script, *args, cwd):
    command = [sys.executable, EXAMPLES / script, *args]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return done.stdout


def test_denoise_file_writes_the_cleaned_sound(tmp_path):
    run("denoise_file.py", cwd=tmp_path)
    noisy, sr = sf.read(EXAMPLES / "noisy.wav")
    cleaned, sr_out = sf.read(tmp_path / "cleaned.wav")
    assert (sr_out, cleaned.shape) == (sr, noisy.shape)
    assert np.square(cleaned).mean() < 0.9 * np.square(noisy).mean()


def test_denoise_file_takes_names(tmp_path):
    run("denoise_file.py", EXAMPLES / "noisy_48k.ogg", "out.flac", cwd=tmp_path)
    info, info_in = sf.info(tmp_path / "out.flac"), sf.info(EXAMPLES / "noisy_48k.ogg")
    assert (info.samplerate, info.channels, info.frames) == (48000, 2, info_in.frames)


def test_denoise_array_removes_more_when_it_may(tmp_path):
    removed = [float(line.split(":")[1].split()[0]) for line in run("denoise_array.py", cwd=tmp_path).splitlines()]
    assert 0 < removed[0] < removed[1] <= removed[2]


def test_a_folder_is_cleaned_once(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("no sound")
    (tmp_path / "in" / "broken.wav").write_text("no sound either")
    y, sr = sf.read(EXAMPLES / "noisy.wav", 16000)
    sf.write(tmp_path / "in" / "noisy.flac", y, sr, subtype="PCM_24")
    assert run("denoise_folder.py", "in", "out", cwd=tmp_path) == str(Path("out", "noisy.flac")) + "\n"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["noisy.flac"]
    info = sf.info(tmp_path / "out" / "noisy.flac")
    assert (info.samplerate, info.frames, info.subtype) == (sr, len(y), "PCM_24")
    assert run("denoise_folder.py", "in", "out", cwd=tmp_path) == ""


def test_a_stream_gives_what_the_whole_file_does(tmp_path):
    run("denoise_stream.py", EXAMPLES / "noisy.wav", cwd=tmp_path)
    streamed, sr = sf.read(tmp_path / "streamed.wav")
    y, _ = sf.read(EXAMPLES / "noisy.wav", dtype="float32")
    late = len(streamed) - len(y)
    assert late == StreamingDenoiser(sr=sr).latency
    np.testing.assert_allclose(streamed[late:], Denoiser("speech-causal")(y, sr), atol=2**-14)


def test_own_dictionary_is_kept_and_scored(tmp_path):
    scores = dict(line.split(":") for line in run("own_dictionary.py", "rain.npz", cwd=tmp_path).splitlines())
    assert list(scores) == ["noisy", "speech-sparse", "speech", "rain.npz"]
    assert float(scores["rain.npz"].split()[0]) > float(scores["noisy"].split()[0]) + 1
    assert set(Dictionary.load(tmp_path / "rain.npz").arrays) == {"speech", "noise"}


@pytest.mark.parametrize(("name", "sr", "channels"), [("noisy.wav", 16000, 1), ("noisy_48k.ogg", 48000, 2)])
def test_recordings_are_small_and_named_in_the_licences(name, sr, channels):
    path = EXAMPLES / name
    info = sf.info(path)
    assert (info.samplerate, info.channels) == (sr, channels)
    assert path.stat().st_size < 300_000
    assert f"`{name}`" in (EXAMPLES / "LICENSES.md").read_text()


@pytest.mark.skipif(not ffmpeg.installed(), reason="ffmpeg is not installed")
def test_raw_samples_go_through_a_pipe(tmp_path):
    source = EXAMPLES / "noisy_48k.ogg"
    decode = ["ffmpeg", "-loglevel", "error", "-i", source, "-f", "f32le", "-"]
    encode = ["ffmpeg", "-loglevel", "error", "-f", "f32le", "-ar", "48000", "-ac", "2", "-i", "-", "out.wav"]
    clean = [sys.executable, EXAMPLES / "denoise_pcm.py", "48000", "2"]
    raw = subprocess.run(decode, capture_output=True, check=True).stdout
    cleaned = subprocess.run(clean, input=raw, capture_output=True, check=True).stdout
    subprocess.run([*encode[:-1], tmp_path / encode[-1]], input=cleaned, check=True)
    y, sr = sf.read(source, dtype="float32")
    stream = StreamingDenoiser(sr=sr, n_channels=2)
    expected = np.concatenate([stream.process(y.T), stream.flush()], axis=1)[:, stream.latency :]
    np.testing.assert_allclose(sf.read(tmp_path / "out.wav", dtype="float32")[0].T, expected, atol=2**-14)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_raw_samples_may_be_cut_and_their_reader_may_end():
    script = [sys.executable, EXAMPLES / "denoise_pcm.py"]
    done = subprocess.run([*script, "16000", "1"], input=bytes(8002), capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, bytes(8000), b"")
    done = subprocess.run([*script, "16000"], input="", capture_output=True, text=True)
    assert done.returncode == 2 and "the following arguments are required: CHANNELS" in done.stderr
    done = subprocess.run([*script, "4000", "1"], input="", capture_output=True, text=True)
    assert done.returncode == 2 and "error: sampling rate 4000 Hz: too little of a voice" in done.stderr
    integers = np.full(8000, 32000, "<i2").tobytes()
    done = subprocess.run([*script, "16000", "1"], input=integers, capture_output=True)
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1 and b"samples of 32-bit float" in done.stderr
    with subprocess.Popen([*script, "16000", "1"], stdin=-1, stdout=-1, stderr=-1) as process:
        process.stdout.close()
        process.stdin.write(bytes(8000))
        process.stdin.close()
        assert process.stderr.read() == b""


def test_separate_improves_both_stems_and_they_add_up(tmp_path):
    *gains, off = run("separate.py", tmp_path, cwd=tmp_path).splitlines()
    assert all(float(line.split()[1]) > 5 for line in gains) and len(gains) == 2
    assert float(off.split()[-1]) < 1e-5
    assert {path.name for path in tmp_path.iterdir()} == {"voice.wav", "tune.wav"}
