"""How the band above 8 kHz and hum are cleaned: python benchmarks/full_band.py CLEAN NOISY [DICTIONARY...].

Folders hold full-band files of the same names. The first table has the signal-to-distortion ratio and the log-spectral
distance from 8.2 to 20 kHz. The second one has memos, made of every fourth clean voice with pauses, pink noise and hum
at 44.1 kHz: by how much the noise above 10 kHz and each line are lowered in pauses and in words. A voice speaks twice,
and the second time counts: a stream must know of a hum first. The voices are as they are, and without anything above
8 kHz.
"""

import sys
from pathlib import Path

import numpy as np
import tables
from scipy.signal import butter, sosfiltfilt, stft
from sounds import mono

from nmfaudio import STFT, Denoiser, audio

SR, LINES_HZ = 44100, (50, 100, 150)


def band(y, sr, low, high):
    return sosfiltfilt(butter(6, [low, min(high, sr / 2 - 200)], "band", fs=sr, output="sos"), y)


def decibels(power, reference):
    return 10 * np.log10(power / (reference + 1e-14) + 1e-14)


def above(clean, cleaned, sr):
    """SDR and log-spectral distance of the band from 8.2 to 20 kHz, in dB."""
    C, E = (band(y, sr, 8200, 20000) for y in (clean, cleaned))
    hz, _, spectra = stft(np.stack([clean, cleaned]), sr, nperseg=2048, noverlap=1536)
    logs = 10 * np.log10(np.abs(spectra[:, (hz >= 8200) & (hz < 20000)]) ** 2 + 1e-10)
    distance = np.sqrt(np.mean((logs[0] - logs[1]) ** 2, axis=0)).mean()
    return decibels((C**2).sum(), ((C - E) ** 2).sum()), distance


def memo(voice, sr, rng, top_hz):
    """Return a voice that speaks twice with pauses, at SR, and the noise and the hum under it."""
    y = audio.resample(voice, sr, SR)
    if top_hz:
        y = sosfiltfilt(butter(12, top_hz, fs=SR, output="sos"), y)
    pause = np.zeros(3 * SR // 2)
    y = np.tile(np.concatenate([pause, y / (2 * np.abs(y).max()), pause]), 2)
    spectrum = np.fft.rfft(rng.standard_normal(len(y)))
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.fft.rfftfreq(len(y), 1 / SR), 20)), len(y))
    t = np.arange(len(y)) / SR
    hum = sum(0.01 / (1 + k) * np.sin(2 * np.pi * hz * t + k) for k, hz in enumerate(LINES_HZ))
    return y, 0.004 * noise / noise.std(), hum


def lowered(denoiser, voice, noise, hum):
    """Levels of the output against the input, in dB, in pauses and in words: of noise above 10 kHz, and of each line.

    What is left of the hum is half of what changes when it is turned round.
    """
    y = (voice + noise + hum).astype(np.float32)
    cleaned = denoiser(y, SR)
    left = (cleaned - denoiser((voice + noise - hum).astype(np.float32), SR)) / 2
    transform = STFT.for_rate(SR)
    Y, Z, N = (np.abs(transform.analysis(x.astype(np.float32))) for x in (y, cleaned, noise))
    passed = (np.minimum(Z / (Y + 1e-9), 1) * N) ** 2
    treble = np.arange(transform.n_bins) * SR / transform.n_fft > 10000
    level = np.array([(part**2).mean() for part in np.array_split(voice, passed.shape[1])])
    t = np.arange(len(y)) / SR
    found = []
    second = np.arange(len(level)) >= len(level) // 2
    for part in (second & (level == 0), second & (level > level.max() * 10**-2.5)):
        samples = np.repeat(part, -(-len(y) // len(part)))[: len(y)]
        row = [decibels(passed[treble][:, part].sum(), (N[treble][:, part] ** 2).sum())]
        for k, hz in enumerate(LINES_HZ):
            line = 2 * np.abs(np.mean((left * np.exp(-2j * np.pi * hz * t))[samples]))
            row.append(20 * np.log10(line * (1 + k) / 0.01))
        found.append(row)
    return found


def main():
    clean, noisy = Path(sys.argv[1]), Path(sys.argv[2])
    names = sorted(path.name for path in noisy.iterdir())
    first, second = [], []
    for dictionary in sys.argv[3:] or ["speech"]:
        denoiser, rows = Denoiser(dictionary), []
        for name in names:
            (voice, sr), (y, _) = mono(clean / name), mono(noisy / name)
            rows.append(above(voice, denoiser(y, sr), sr))
        first.append([f"`{dictionary}`", *(f"{x:.1f}" for x in np.mean(rows, axis=0))])
        for kind, top_hz in (("full-band voice", None), ("voice to 8 kHz", 7800)):
            rng = np.random.default_rng(0)
            memos = [memo(*mono(clean / name), rng, top_hz) for name in names[::4]]
            pauses, words = np.mean([lowered(denoiser, *parts) for parts in memos], axis=0)
            second.append(
                [f"`{dictionary}`, {kind}", *(f"{a:.1f} / {b:.1f}" for a, b in zip(pauses, words, strict=True))]
            )
    print(tables.table(["above 8 kHz, dB", "SDR", "LSD"], first), end="\n\n")
    lines = (f"{hz} Hz" for hz in LINES_HZ)
    print(tables.table(["lowered in pauses / in words, dB", "noise above 10 kHz", *lines], second))


if __name__ == "__main__":
    main()
