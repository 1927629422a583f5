"""Voices in noise for tests: a real one, and one that is computed."""

from pathlib import Path

import numpy as np
import soundfile as sf

from nmfaudio.audio import resample

EXAMPLES = Path(__file__).parents[1] / "examples"


def real_recording(sr=16000):
    """A voice for three seconds, and the voice in a thunderstorm."""
    speech, noisy = (sf.read(EXAMPLES / name, 48000, dtype="float32")[0] for name in ("clean.flac", "noisy.wav"))
    return resample(speech, 16000, sr), resample(noisy, 16000, sr)


def voice_in_noise(sr=16000, seconds=3.0, seed=0):
    """Vowel-like harmonics that come and go, and steady noise at about 5 dB below them."""
    t = np.arange(int(sr * seconds)) / sr
    f0 = 120 + 20 * np.sin(2 * np.pi * 0.7 * t)
    phase = 2 * np.pi * np.cumsum(f0) / sr
    formants = [(500, 80), (1500, 120), (2500, 160)]
    harmonic_hz = np.arange(1, 28)[:, None] * 120.0
    strength = sum(1 / (1 + ((harmonic_hz - f) / b) ** 2) for f, b in formants)
    y = np.sum(strength * np.sin(np.arange(1, 28)[:, None] * phase), axis=0) * (np.sin(2 * np.pi * 1.5 * t) > 0)
    y = y / y.std() * 0.05
    n = np.random.default_rng(seed).standard_normal(len(t))
    n = n / n.std() * 0.05 * 10 ** (-5 / 20)
    return y.astype(np.float32), n.astype(np.float32)
