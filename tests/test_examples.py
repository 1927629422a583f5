import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(script, *args, cwd):
    done = subprocess.run([sys.executable, EXAMPLES / script, *args], cwd=cwd, capture_output=True, text=True)
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


@pytest.mark.parametrize(("name", "sr", "channels"), [("noisy.wav", 16000, 1), ("noisy_48k.ogg", 48000, 2)])
def test_recordings_are_small_and_named_in_the_licences(name, sr, channels):
    path = EXAMPLES / name
    info = sf.info(path)
    assert (info.samplerate, info.channels) == (sr, channels)
    assert path.stat().st_size < 300_000
    assert f"`{name}`" in (EXAMPLES / "LICENSES.md").read_text()
