"""Clean arrays with one denoiser per attenuation limit, from gentle to strong."""

from pathlib import Path

import numpy as np
import soundfile as sf

from nmfaudio import Denoiser

y, sr = sf.read(Path(__file__).with_name("noisy_48k.ogg"))
y = y.T  # (channels, samples)

for limit_db in (6, 12, 24):
    denoise = Denoiser("speech", attenuation_limit_db=limit_db)
    removed_db = 10 * np.log10((y**2).mean() / (denoise(y, sr) ** 2).mean())
    print(f"attenuation of at most {limit_db:2} dB: {removed_db:.1f} dB of the level removed")
