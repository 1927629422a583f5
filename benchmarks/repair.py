"""Measure repair on real recordings: see repair.md.

python benchmarks/repair.py TABLE... --data DIR
"""

import argparse
from pathlib import Path

import numpy as np
from separation import SR, Rows, folder

from nmfaudio import STFT, audio, metrics
from nmfaudio.repair import extend_band, fill_regions, find_clicks, find_clipped, restore_samples
from nmfaudio.spectra.phase import griffin_lim
from nmfaudio.spectra.regions import region

SPEAKERS = ["asterisk/it_IT_m_Carlo", "vctk48/p360", "vctk48/p361", "librispeech/2514m"]
SECONDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", choices=TABLES, metavar="TABLE", help=", ".join(TABLES))
    parser.add_argument("--data", type=Path, required=True, help="folder with speech/CORPUS/SPEAKER/*.flac")
    args = parser.parse_args()
    speech = [np.concatenate(folder(args.data / "speech" / name))[: SECONDS * SR] for name in SPEAKERS]
    for name in args.tables:
        print(f"\n{name}\n")
        TABLES[name]([y / (2 * np.abs(y).max()) for y in speech])


def gaps(speech: list[np.ndarray]) -> None:
    """Two gaps a second in speech."""
    rows = Rows("gap", "method", "LSD in the gap", "PESQ", "SNR in the gap", "least gain in PESQ")
    for gap_ms in (20, 40, 80):
        scores: dict[str, list[tuple[float, float, float]]] = {}
        for y in speech:
            missing = np.zeros(len(y), bool)
            for start in range(SR // 4, len(y) - SR // 4, SR // 2):
                missing[start : start + gap_ms * SR // 1000] = True
            damaged = np.where(missing, 0, y)
            for method, x in (
                ("damaged", damaged),
                ("interpolated spectrogram", interpolated(damaged, missing)),
                ("restore_samples", restore_samples(damaged, SR, missing)),
            ):
                lsd = log_spectral_distance(y, x, missing)
                scores.setdefault(method, []).append((lsd, metrics.pesq(y, x, SR), metrics.snr(y[missing], x[missing])))
        before = np.array(scores["damaged"])
        for method, values in scores.items():
            rows.add(f"{gap_ms} ms", method, *np.mean(values, axis=0), (np.array(values) - before)[:, 1].min())
    rows.print()


def regions(speech: list[np.ndarray]) -> None:
    """Holes of 100 to 200 ms and 2.5 kHz in the spectrogram."""
    rows = Rows("method", "LSD in the hole", "PESQ", "least gain in PESQ")
    scores: dict[str, list[tuple[float, float]]] = {}
    rng = np.random.default_rng(0)
    for y in speech:
        stft = STFT.for_rate(SR, 0.064, 0.016)
        Y = stft(y)
        holes = []
        for start_s in np.arange(0.25, len(y) / SR - 0.5, 0.33):
            low_hz = rng.uniform(150, 3000)
            holes.append((start_s, start_s + rng.uniform(0.1, 0.2), low_hz, low_hz + 2500))
        mask = np.any([region(hole, stft, len(y), SR) for hole in holes], axis=0)
        damaged = stft.synthesis(np.where(mask, 0, Y), len(y))
        linear = with_fitting_phases(linear_in_time(np.abs(Y), mask), Y, mask, stft, len(y))
        for method, x in (
            ("damaged", damaged),
            ("interpolated in time", linear),
            ("fill_regions", fill_regions(damaged, SR, holes)),
        ):
            levels = [20 * np.log10(np.abs(stft(z)) + 1e-4) for z in (y, x)]
            lsd = np.sqrt(((levels[0] - levels[1])[mask] ** 2).mean())
            scores.setdefault(method, []).append((lsd, metrics.pesq(y, x, SR)))
    before = np.array(scores["damaged"])
    for method, values in scores.items():
        rows.add(method, *np.mean(values, axis=0), (np.array(values) - before)[:, 1].min())
    rows.print()


def clipping(speech: list[np.ndarray]) -> None:
    """Speech clipped at a share of its peak."""
    rows = Rows("clipped at", "SNR before", "SNR after", "PESQ before", "PESQ after")
    for level in (0.1, 0.2, 0.4):
        scores = []
        for y in speech:
            clipped = y.clip(-level * np.abs(y).max(), level * np.abs(y).max())
            x = restore_samples(clipped, SR, find_clipped(clipped), clipped=True)
            scores.append([metric(y, z) for metric in (metrics.snr, pesq) for z in (clipped, x)])
        rows.add(f"{level} of the peak", *np.mean(scores, axis=0))
    rows.print()


def clicks(speech: list[np.ndarray]) -> None:
    """Eight clicks a second of up to 1 ms, found and replaced."""
    rows = Rows("", "SNR", "PESQ")
    rng, scores = np.random.default_rng(0), []
    for y in speech:
        damaged = y.copy()
        for start in rng.integers(1000, len(y) - 1000, 8 * len(y) // SR):
            n = rng.integers(1, 16)
            damaged[start : start + n] += (
                rng.uniform(-0.4, 0.4) * np.hanning(n + 2)[1:-1] * (1 + 0.5 * rng.standard_normal(n))
            )
        x = restore_samples(damaged, SR, find_clicks(damaged, SR))
        untouched = restore_samples(y, SR, find_clicks(y, SR))
        scores.append([[metrics.snr(y, z), pesq(y, z)] for z in (damaged, x, untouched)])
    for title, values in zip(
        ("damaged", "repaired", "repaired where nothing was wrong"), np.mean(scores, 0), strict=True
    ):
        rows.add(title, *values)
    rows.print()


def lost_band(speech: list[np.ndarray]) -> None:
    """Speech at 8 kHz, extended to 16 kHz; the dictionary comes with the package."""
    rows = Rows("", "LSD above 4 kHz", "PESQ")
    scores = []
    for y in speech:
        narrow = audio.resample(y, SR, 8000)
        before = audio.resample(narrow, 8000, SR)[: len(y)]
        after = extend_band(narrow, 8000)[0][: len(y)]
        stft = STFT.for_rate(SR)
        spectra = [20 * np.log10(np.abs(stft(z))[129:] + 1e-4) for z in (y, before, after)]
        scores.append(
            [
                [np.sqrt(((spectra[0] - S) ** 2).mean(axis=0)).mean(), pesq(y, z)]
                for S, z in zip(spectra[1:], (before, after), strict=True)
            ]
        )
    for title, values in zip(("8 kHz", "extended"), np.mean(scores, axis=0), strict=True):
        rows.add(title, *values)
    rows.print()


def pesq(y: np.ndarray, x: np.ndarray) -> float:
    return metrics.pesq(y, x, SR)


def interpolated(damaged: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """The simple way: linear interpolation of the magnitudes over the frames that touch a gap, then Griffin-Lim."""
    stft = STFT.for_rate(SR, 0.032, 0.008)
    Y = stft(damaged)
    lost = np.broadcast_to(touched(missing, stft), Y.shape)
    magnitudes = linear_in_time(np.abs(Y), lost)
    return np.where(missing, with_fitting_phases(magnitudes, Y, lost, stft, len(damaged)), damaged)


def with_fitting_phases(
    magnitudes: np.ndarray, Y: np.ndarray, holes: np.ndarray, stft: STFT, length: int
) -> np.ndarray:
    turns = np.exp(2j * np.pi * np.random.default_rng(0).random(Y.shape))
    return griffin_lim(magnitudes, np.where(holes, magnitudes * turns, Y), stft, length, 30, fixed=~holes)


def linear_in_time(magnitudes: np.ndarray, holes: np.ndarray) -> np.ndarray:
    frames = np.arange(magnitudes.shape[1])
    return np.stack([np.interp(frames, frames[~h], m[~h]) for m, h in zip(magnitudes, holes, strict=True)])


def log_spectral_distance(y: np.ndarray, x: np.ndarray, missing: np.ndarray) -> float:
    """Mean over the frames of 32 ms that touch a gap, in dB."""
    stft = STFT.for_rate(SR, 0.032, 0.008)
    levels = [20 * np.log10(np.abs(stft(z)) + 1e-4) for z in (y, x)]
    return float(np.sqrt(((levels[0] - levels[1]) ** 2).mean(axis=0))[touched(missing, stft)].mean())


def touched(missing: np.ndarray, stft: STFT) -> np.ndarray:
    """Frames that hold a missing sample."""
    padded = np.zeros(stft.n_frames(len(missing)) * stft.hop_length + stft.overlap, bool)
    padded[stft.overlap : stft.overlap + len(missing)] = missing
    return np.lib.stride_tricks.sliding_window_view(padded, stft.n_fft)[:: stft.hop_length].any(axis=1)


TABLES = {f.__name__: f for f in (gaps, regions, clipping, clicks, lost_band)}

if __name__ == "__main__":
    main()
