import subprocess

import numpy as np
import pytest
import soundfile as sf

from nmfaudio.audio import ffmpeg

needs_ffmpeg = pytest.mark.skipif(not ffmpeg.installed(), reason="ffmpeg is not installed")


def run_ffmpeg(*args):
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *args], check=True)


def noise(channels, samples, seed=0):
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (channels, samples)).astype(np.float32)


def write(path, y, sr=16000, **format):
    sf.write(path, y.T, sr, **format)
    return path
