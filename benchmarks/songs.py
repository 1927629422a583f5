"""Measure the separation of songs into vocals, drums, bass and other, and of drums: see songs.md.

python benchmarks/songs.py FOLDER [--seconds S] [--method NAME...] [--songs] [--markdown songs.md]

FOLDER has a folder for each song, with vocals, drums, bass and other in sound files of any format; vocals may be
missing. With kick, snare and cymbals in place of drums these are measured too, alone if there is no other stem. The
mixture is the sum of the stems. nussl is compared with where it is installed.
"""

import argparse
import importlib.util
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import librosa
import numpy as np
import tables

from nmfaudio import STFT, audio, metrics
from nmfaudio.separation import DrumSeparator, SongSeparator, separate

STEMS = ("vocals", "drums", "bass", "other")
DRUMS = ("kick", "snare", "cymbals")
COLUMNS = ("vocals", "accompaniment", "drums", *DRUMS, "bass", "other")
QUIETEST_DB = {**dict.fromkeys(STEMS, -35), **dict.fromkeys(DRUMS, -50)}  # of full scale: quieter stems do not count
FRAME_S = 1.0

Stems = Mapping[str, np.ndarray]
Scores = dict[str, tuple[float, float]]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, metavar="S", help="measure the first S seconds of each song alone")
    parser.add_argument("--method", nargs="+", choices=METHODS, default=list(METHODS), metavar="NAME")
    parser.add_argument("--songs", action="store_true", help="print the scores of each song too")
    parser.add_argument("--markdown", type=Path, help="page to put the tables into")
    args = parser.parse_args(argv)
    text = compared(args.folder, {name: METHODS[name] for name in args.method}, args.songs, args.seconds)
    print(text)
    if args.markdown:
        tables.write(args.markdown, "songs", text)


def compared(
    folder: Path,
    methods: Mapping[str, Callable[[np.ndarray, int, Stems], Stems]],
    each: bool = False,
    seconds: float | None = None,
) -> str:
    """Compare methods on the songs of a folder.

    Parameters
    ----------
    folder : Path
        Folder with a folder for each song.
    methods : mapping of str to callable
        Functions of the mixture, shape (2, samples), of its rate and of the true stems, which only oracles use. They
        return their stems by name; a method may leave some out.
    each : bool
        Add the scores of each song.
    seconds : float, optional
        Measure this beginning of each song alone.

    Returns
    -------
    str
        Tables in Markdown of the median over songs of SDR and SI-SDR.
    """
    found: dict[str, dict[str, Scores]] = {}
    speeds, present = {}, set()
    for name, method in methods.items():
        began, duration_s = time.process_time(), 0.0
        for song, sr, stems in songs(folder, seconds):
            present |= {*stems, "accompaniment"} if "vocals" in stems else set(stems)
            mixture = np.sum(list(stems.values()), axis=0)
            found.setdefault(name, {})[song] = scores(stems, method(mixture, sr, stems), mixture, sr)
            duration_s += mixture.shape[1] / sr
        speeds[name] = duration_s / (time.process_time() - began)
    names = [stem for stem in COLUMNS if stem in present]
    text = []
    for i, measure in enumerate(("SDR", "SI-SDR")):
        rows = []
        for name, by_song in found.items():
            columns = [[s[stem][i] for s in by_song.values() if stem in s] for stem in names]
            cells = [f"{np.median(values):.1f}" if values else "" for values in columns]
            rows.append([name, *cells, f"{speeds[name]:.1f}"])
            for song, values in by_song.items() if each else ():
                cells = [f"{values[stem][i]:.1f}" if stem in values else "" for stem in names]
                rows.append([f"{name}, {song}", *cells, ""])
        text.append(tables.table([f"{measure}, dB", *names, "times real time"], rows))
    return "\n\n".join(text)


def songs(folder: Path, seconds: float | None = None) -> Iterator[tuple[str, int, Stems]]:
    """Name, rate and stems of each song, those that are there, or of its first seconds."""
    for song in sorted(p for p in folder.iterdir() if p.is_dir()):
        paths = [path for path in audio.list_files(song) if path.stem in QUIETEST_DB]
        found = {path.stem: audio.read(path, stop_s=seconds) for path in paths}
        if found:
            yield song.name, next(iter(found.values()))[1], {s: found[s][0] for s in QUIETEST_DB if s in found}


def scores(stems: Stems, estimates: Stems, mixture: np.ndarray, sr: int) -> Scores:
    """SDR and SI-SDR of each stem that is loud enough and estimated; of all but the vocals as accompaniment."""
    loud = {stem: y for stem, y in stems.items() if 10 * np.log10(np.mean(y**2) + 1e-12) > QUIETEST_DB[stem]}
    found: Scores = {}
    for true in (
        loud,
        {"vocals": loud["vocals"], "accompaniment": mixture - loud["vocals"]} if "vocals" in loud else {},
    ):
        made = {"accompaniment": mixture - estimates["vocals"], **estimates} if "vocals" in estimates else estimates
        names = [name for name in true if name in made]
        if names:
            r, e = (np.stack([ys[name] for name in names]) for ys in (true, made))
            si_sdr = metrics.si_sdr(r.reshape(len(r), -1), e.reshape(len(e), -1))
            found |= dict(zip(names, zip(sdr(r, e, sr), si_sdr, strict=True), strict=True))
    return found


def sdr(references: np.ndarray, estimates: np.ndarray, sr: int) -> np.ndarray:
    """Median over frames of the SDR of stems, shape (stems, channels, samples), as museval computes it.

    BSS Eval 4 counts all that differs from the reference as distortion, so its SDR needs no filters:
    ``10 log10(|r|^2 / |e - r|^2)``. Frames in which a reference or an estimate is silent do not count.
    """
    n = round(FRAME_S * sr)
    r, e = (x[..., : x.shape[-1] // n * n].reshape(*x.shape[:-1], -1, n) for x in (references, estimates))
    sounds = np.all(np.any(r.sum(axis=1), axis=-1) & np.any(e.sum(axis=1), axis=-1), axis=0)
    signal, distortion = np.sum(r**2, axis=(1, 3)), np.sum((e - r) ** 2, axis=(1, 3))
    return np.median(10 * np.log10(signal[:, sounds] / distortion[:, sounds]), axis=1)


def by_nmfaudio(y: np.ndarray, sr: int, stems: Stems) -> Stems:
    """Separate a song; with `--drums`, if its drums are known one by one; or drums alone."""
    if "kick" not in stems:
        return separate(y, sr)
    return separate(y, sr, DrumSeparator()) if "other" in stems else SongSeparator("drums", spatial=False)(y, sr)


def blind(y: np.ndarray, sr: int, stems: Stems) -> Stems:
    """Four unknown sources, in the order that fits best."""
    made = list(separate(y, sr, 4).values())
    r = np.stack(list(stems.values()))
    orders = itertools.permutations(range(len(made)), len(r))
    best = max(orders, key=lambda order: float(np.mean(sdr(r, np.stack([made[i] for i in order]), sr))))
    return {stem: made[i] for stem, i in zip(stems, best, strict=True)}


def mixture(y: np.ndarray, sr: int, stems: Stems) -> Stems:
    """The mixture for every stem; its accompaniment too, not what is left."""
    return {**dict.fromkeys(stems, y), "accompaniment": y}


def ideal_ratio_mask(y: np.ndarray, sr: int, stems: Stems) -> Stems:
    """Shares of the true magnitudes, in each channel."""
    stft = STFT.for_rate(sr, 0.093, 0.023)
    magnitudes = {stem: np.abs(stft(s)) for stem, s in stems.items()}
    whole, Y = sum(magnitudes.values()) + 1e-12, stft(y)
    return {stem: stft.synthesis(Y * m / whole, y.shape[-1]) for stem, m in magnitudes.items()}


def librosa_hpss(y: np.ndarray, sr: int, stems: Stems) -> Stems:
    """Harmonic and percussive part, by medians over time and frequency."""
    harmonic, percussive = librosa.effects.hpss(y)
    return {"drums": percussive, "other": harmonic}


def librosa_vocals(y: np.ndarray, sr: int, stems: Stems) -> Stems:
    """Librosa's lesson on vocals: medians over similar frames, as REPET-SIM, and soft masks."""
    Y = librosa.stft(y)
    V = np.abs(Y)
    similar = librosa.decompose.nn_filter(
        V.mean(axis=0), aggregate=np.median, metric="cosine", width=int(librosa.time_to_frames(2, sr=sr))
    )
    background = np.minimum(V, similar)
    mask = librosa.util.softmask(V - background, 10 * background, power=2)
    return {"vocals": librosa.istft(Y * mask, length=y.shape[-1])}


def nussl_repet_sim(y: np.ndarray, sr: int, stems: Stems) -> Stems:
    """REPET-SIM of nussl, which asks SciPy for windows where they were before version 1.13."""
    import scipy.signal

    for window in ("hamming", "blackman", "hann"):
        if not hasattr(scipy.signal, window):
            setattr(scipy.signal, window, getattr(scipy.signal.windows, window))
    import nussl

    signal = nussl.AudioSignal(audio_data_array=y.astype(np.float64), sample_rate=sr)
    background, foreground = nussl.separation.primitive.RepetSim(signal)()
    return {"vocals": foreground.audio_data[:, : y.shape[-1]]}


METHODS = {
    "nmfaudio separate": by_nmfaudio,
    "four blind stems, best order": blind,
    "librosa HPSS": librosa_hpss,
    "librosa's vocal lesson": librosa_vocals,
    "mixture": mixture,
    "ideal ratio mask": ideal_ratio_mask,
}
if importlib.util.find_spec("nussl"):
    METHODS["REPET-SIM, nussl"] = nussl_repet_sim

if __name__ == "__main__":
    main()
