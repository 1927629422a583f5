"""Train a dictionary on a voice and a noise, and compare it with others: python examples/own_dictionary.py [MINE.npz].

For folders of recordings use `nmfaudio train denoiser --speech DIR --noise DIR -o MINE.npz`.
"""

import sys
from pathlib import Path

import soundfile as sf

from nmfaudio import Denoiser, Dictionary, FrontEnd, metrics
from nmfaudio.training.sparse import train_sparse

target = sys.argv[1] if len(sys.argv) > 1 else "mine.npz"
voice, sr = sf.read(Path(__file__).with_name("clean.flac"))
noisy, _ = sf.read(Path(__file__).with_name("noisy.wav"))
cut = 4 * sr  # train on the part before, test on the part after

front_end = FrontEnd(exponent=0.6)
speech, noise = (front_end.spectrogram(y[:cut], sr) for y in (voice, noisy - voice))
arrays = train_sparse([speech] * 20, [noise] * 20, n_speech=32, n_noise=16)  # twenty rounds
record = {"description": "four seconds of a voice, and of rain"}
Dictionary("sparse", arrays, front_end, {"mask_power": 1.6}, record).save(target)

print(f"noisy: {metrics.si_sdr(voice[cut:], noisy[cut:]):.1f} dB SI-SDR")
for name in ("speech-sparse", "speech", target):
    print(f"{name}: {metrics.si_sdr(voice[cut:], Denoiser(name)(noisy[cut:], sr)):.1f} dB SI-SDR")
