"""How far the SNR estimates of the report are from the truth: python benchmarks/report_snr.py CLEAN NOISY [EVERY].

Folders hold files of the same names; with EVERY = 3 each third is taken. The true SNR after denoising is that of the
clean speech and of the noise under the same gain.
"""

import sys
from pathlib import Path

import numpy as np

from nmfaudio import STFT, Denoiser, audio
from nmfaudio.report.numbers import summary
from nmfaudio.spectra.front_end import powers


def errors(clean: Path, noisy: Path, denoiser: Denoiser) -> tuple[float, float]:
    """Estimated less true SNR before and after denoising, in dB."""
    y, sr = audio.read(noisy)
    speech, _ = audio.read(clean)
    stft = STFT.for_rate(sr)
    Y, Z = stft(y), stft(denoiser(y, sr))
    P, Q = (powers(X, "linked")[0] for X in (Y, Z))
    found = summary(P, Q, denoiser.gain_rule, float(np.square(y).mean()), 0.0)
    gain = np.minimum(np.abs(Z) / np.maximum(np.abs(Y), 1e-10), 1)
    S, N = powers(stft(speech), "linked"), powers(stft(y - speech), "linked")
    before, after = (10 * np.log10((g**2 * S).sum() / (g**2 * N).sum()) for g in (1.0, gain))
    return found.snr_db - before, found.snr_after_db - after


if __name__ == "__main__":
    clean, noisy = Path(sys.argv[1]), Path(sys.argv[2])
    every = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    found = np.array([errors(clean / path.name, path, Denoiser()) for path in sorted(noisy.iterdir())[::every]])
    for name, e in zip(("before", "after"), found.T, strict=True):
        off = np.abs(e)
        print(f"{name}: {e.mean():+.1f} dB in the mean, {off.mean():.1f} dB off, at most {off.max():.1f} dB")
