"""What a noise profile brings: python benchmarks/noise_profiles.py SPEECH NOISE [DICTIONARY...].

SPEECH and NOISE are folders, or text files with one path a line. The first half of each noise recording makes the
profile, the second half is mixed with a sentence of at most 6 s, by turns at 0 and at 5 dB. Printed are the means of
wide-band PESQ, ESTOI and SI-SDR (dB) over all mixtures, and the change that the profile makes in each.
"""

import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
from sounds import mono

from nmfaudio import Denoiser, metrics, noise_profile
from nmfaudio.audio import list_files

SR = 16000
LONGEST_S = 6
SNR_DB = (0.0, 5.0)


def mixtures(speech: list[Path], noise: list[Path]) -> Iterator[tuple[Path, np.ndarray, np.ndarray, np.ndarray]]:
    """Noise's path, clean and noisy signal, and the half of the noise that is not in it."""
    for path, voice, snr_db in zip(noise, cycle(speech), cycle(SNR_DB), strict=False):
        half, clean = np.array_split(mono(path, SR)[0], 2), mono(voice, SR)[0][: LONGEST_S * SR]
        clean, other = clean[: len(half[1])], half[1][: len(clean)]
        factor = np.sqrt(np.square(clean).mean() / np.square(other).mean()) * 10 ** (-snr_db / 20)
        yield path, clean, clean + factor * other, half[0]


def scores(clean: np.ndarray, y: np.ndarray) -> list[float]:
    """PESQ, ESTOI and SI-SDR."""
    return [metrics.pesq(clean, y, SR), metrics.estoi(clean, y, SR), float(metrics.si_sdr(clean, y))]


if __name__ == "__main__":
    speech, noise = list_files(sys.argv[1]), list_files(sys.argv[2])
    for name in sys.argv[3:] or ["speech", "speech-causal", "speech-sparse"]:
        denoise = Denoiser(name)
        table = []
        for path, clean, noisy, other in mixtures(speech, noise):
            profiled = Denoiser(denoise.dictionary, noise=noise_profile(other, SR, denoise.dictionary))
            table.append([scores(clean, y) for y in (noisy, denoise(noisy, SR), profiled(noisy, SR))])
            change = np.subtract(table[-1][2], table[-1][1])
            print("{:40}{:+8.3f}{:+8.3f}{:+8.2f}".format(path.stem, *change), flush=True)
        for row, mean in zip(("noisy", name, f"{name} with profile"), np.mean(table, axis=0), strict=True):
            print("{:40}{:8.3f}{:8.3f}{:8.2f}".format(row, *mean), flush=True)
