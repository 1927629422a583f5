"""Clean a sound file: python examples/denoise_file.py [NOISY [CLEANED]]."""

import sys
from pathlib import Path

import soundfile as sf

import nmfaudio

noisy = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("noisy.wav")
cleaned = sys.argv[2] if len(sys.argv) > 2 else "cleaned.wav"

y, sr = sf.read(noisy, always_2d=True)  # (samples, channels)
z = nmfaudio.denoise(y.T, sr).T  # the last axis is samples, as in librosa
sf.write(cleaned, z, sr)
print(f"{cleaned}: {len(z) / sr:.1f} s at {sr} Hz")
