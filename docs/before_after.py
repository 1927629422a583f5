"""Draw before_after.jpg, the picture in the README: python docs/before_after.py."""

from pathlib import Path

import soundfile as sf
from matplotlib import pyplot as plt

import nmfaudio
from nmfaudio import display

HERE = Path(__file__).parent

y, sr = sf.read(HERE.parent / "examples" / "noisy.wav")
figure, axes = plt.subplots(3, 1, sharex=True, sharey=True, figsize=(8, 7), layout="constrained")
display.compare(y, nmfaudio.denoise(y, sr), sr, axes=axes)
figure.savefig(HERE / "before_after.jpg", dpi=80, pil_kwargs={"quality": 80})
