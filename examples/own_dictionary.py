"""Train a dictionary on a voice and a noise, and compare it with others: python examples/own_dictionary.py [MINE.npz].

For folders of recordings use `nmfaudio train denoiser --speech DIR --noise DIR -o MINE.npz`.
"""

import sys
from dataclasses import replace
from pathlib import Path

import soundfile as sf

from nmfaudio import Denoiser, metrics
from nmfaudio.training.sparse import train_sparse

target = sys.argv[1] if len(sys.argv) > 1 else "mine.npz"
voice, sr = sf.read(Path(__file__).with_name("clean.flac"))
noisy, _ = sf.read(Path(__file__).with_name("noisy.wav"))
cut = 4 * sr  # train on the part before, test on the part after

dictionary = train_sparse([voice[:cut]], [(noisy - voice)[:cut]], sr, n_speech=32, n_noise=16)
replace(dictionary, record={"description": "four seconds of a voice, and of rain"}).save(target)

print(f"noisy: {metrics.si_sdr(voice[cut:], noisy[cut:]):.1f} dB SI-SDR")
for name in ("speech-sparse", "speech", target):
    print(f"{name}: {metrics.si_sdr(voice[cut:], Denoiser(name)(noisy[cut:], sr)):.1f} dB SI-SDR")
