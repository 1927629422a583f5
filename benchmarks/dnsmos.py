"""DNSMOS, clean speech and noise alone: python benchmarks/dnsmos.py CLEAN NOISY [DICTIONARY...].

Folders hold files of the same names. Needs `pip install speechmos onnxruntime`. A recording of any rate is judged up to
8 kHz, for 9 s; a shorter one is repeated. Clean speech is the SI-SDR of the output if the input has no noise, noise
alone is by how many dB the output is quieter if the input has no speech.
"""

import sys
from pathlib import Path

import numpy as np
import tables
from sounds import mono
from speechmos import dnsmos

from nmfaudio import Denoiser, audio
from nmfaudio.metrics import si_sdr

SR, SAMPLES = 16000, 144160  # 9.01 s, what the model takes
SCORES = ("ovrl_mos", "sig_mos", "bak_mos")


def opinion(y, sr):
    y = np.resize(audio.resample(y, sr, SR), SAMPLES).clip(-1, 1)
    found = dnsmos.run(y, SR)
    return [found[name] for name in SCORES]


def lowered(noise, left):
    return 10 * np.log10(np.sum(noise**2) / np.sum(left**2))


def main():
    clean, noisy = Path(sys.argv[1]), Path(sys.argv[2])
    pairs = [(*mono(clean / path.name), mono(path)[0]) for path in sorted(noisy.iterdir())]
    rows = [["noisy", *(f"{x:.2f}" for x in np.mean([opinion(y, sr) for _, sr, y in pairs], axis=0)), "", ""]]
    for dictionary in sys.argv[3:] or ["speech"]:
        denoiser = Denoiser(dictionary)
        found = [
            [
                *opinion(denoiser(y, sr), sr),
                si_sdr(voice, denoiser(voice, sr)),
                lowered(y - voice, denoiser(y - voice, sr)),
            ]
            for voice, sr, y in pairs
        ]
        *scores, speech, noise = np.mean(found, axis=0)
        rows.append([f"`{dictionary}`", *(f"{x:.2f}" for x in scores), f"{speech:.1f}", f"{noise:.1f}"])
    print(tables.table(["", "DNSMOS overall", "signal", "background", "clean speech", "noise alone"], rows))


if __name__ == "__main__":
    main()
