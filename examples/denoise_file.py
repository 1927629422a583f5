"""Clean a sound file, with format and tags kept: python examples/denoise_file.py [NOISY [CLEANED]]."""

import sys
from pathlib import Path

import nmfaudio

noisy = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("noisy.wav")
cleaned = sys.argv[2] if len(sys.argv) > 2 else "cleaned.wav"

report = nmfaudio.denoise_file(noisy, cleaned, overwrite=True)
print(f"{report.output}: {report.duration_s:.1f} s at {report.sr} Hz")
