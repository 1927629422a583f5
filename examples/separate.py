"""Separate a voice and a tune, with dictionaries of other words of the voice and of other tunes.

python examples/separate.py [FOLDER]
"""

import sys
from pathlib import Path

import numpy as np

from nmfaudio import audio, metrics
from nmfaudio.separation import Separator
from nmfaudio.training.source import train_dictionary

folder, examples = Path(sys.argv[1] if len(sys.argv) > 1 else "."), Path(__file__).parent
y, sr = audio.read(examples / "clean.flac")
half = y.shape[1] // 2


def tune(seed: int) -> np.ndarray:
    """Plucked strings, four notes a second, eight harmonics each."""
    t = np.arange(sr // 4) / sr
    pitches = np.random.default_rng(seed).choice([220.0, 261.6, 293.7, 329.6, 392.0], -(-half // len(t)))
    notes = [sum(np.sin(2 * np.pi * f * h * t) / h for h in range(1, 9)) * np.exp(-5 * t) for f in pitches]
    return 0.05 * np.concatenate(notes)[:half].astype(np.float32)


known = {
    "voice": train_dictionary("voice", [y[0, :half]], sr),
    "tune": train_dictionary("tune", [tune(seed) for seed in (1, 2, 3)], sr, n_components=20),
}
sources = {"voice": y[0, half : 2 * half], "tune": tune(4)}
mixture = sum(sources.values())

stems = Separator(known)(mixture, sr)
for name, stem in stems.items():
    gain = metrics.si_sdr(sources[name], stem) - metrics.si_sdr(sources[name], mixture)
    print(f"{name}: {gain:.1f} dB SI-SDR better than the mixture")
    with audio.open_like(folder / f"{name}.wav", audio.info(examples / "noisy.wav")) as out:
        out.write(stem[None])
print(f"sum of the stems: off by {np.abs(sum(stems.values()) - mixture).max():.0e}")
