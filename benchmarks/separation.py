"""Measure separation on real recordings: see separation.md.

python benchmarks/separation.py TABLE... --data DIR --samples DIR
"""

import argparse
import itertools
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import fast_bss_eval
import librosa
import numpy as np

from nmfaudio import STFT, audio, metrics
from nmfaudio.dictionary import Dictionary, FrontEnd
from nmfaudio.phase import METHODS, signals_of
from nmfaudio.separation import Components, Separator, harmonic_percussive
from nmfaudio.training.source import train_source

SR, SAMPLES_SR = 16000, 44100
TEST_S, TRAIN_S = 6, 60
SPEAKERS = [  # folders below DIR/speech
    ("vctk16/p225", "vctk16/p226"),
    ("ljspeech/LJ", "fillets_cs/cs_m"),
    ("asterisk/en_US_f_Allison", "asterisk/it_IT_m_Carlo"),
]
MUSIC = ["brahms_strings.flac", "vibe_ace.flac", "trumpet_solo.flac"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", choices=TABLES, metavar="TABLE", help=", ".join(TABLES))
    parser.add_argument("--data", type=Path, help="folder with speech/CORPUS/SPEAKER/*.flac and music/*.flac")
    parser.add_argument("--samples", type=Path, help="folder of the samples of Sonic Pi (Debian: sonic-pi-samples)")
    args = parser.parse_args()
    for name in args.tables:
        print(f"\n{name}\n")
        TABLES[name](args)


def two_speakers(args: argparse.Namespace) -> None:
    """Two speakers at one level: dictionaries from other recordings of theirs."""
    rows = Rows("pair", "method", "SI-SDRi", "SDR", "SIR", "SAR", "seconds")
    for pair in SPEAKERS:
        recordings = [np.concatenate(folder(args.data / "speech" / name)) for name in pair]
        tests = levelled([y[-TEST_S * SR :] for y in recordings])
        dictionaries = [trained(y[: -TEST_S * SR][: TRAIN_S * SR], SR, n_atoms=100) for y in recordings]
        compare(rows, " + ".join(Path(name).name for name in pair), tests, dictionaries, recordings)
    rows.print()


def speech_and_music(args: argparse.Namespace) -> None:
    """A speaker over music: the music's dictionary from the first half of the piece, the mixture from the second."""
    rows = Rows("pair", "method", "SI-SDRi", "SDR", "SIR", "SAR", "seconds")
    voice = np.concatenate(folder(args.data / "speech" / SPEAKERS[0][0]))
    for name in MUSIC:
        music = load(args.data / "music" / name)[: 2 * TEST_S * SR]
        half = len(music) // 2
        tests = levelled([voice[-half:], music[half : 2 * half]])
        recordings = [voice[: TRAIN_S * SR], music[:half]]
        dictionaries = [trained(y, SR, n_atoms=100) for y in recordings]
        compare(rows, f"p225 + {name.split('_')[0]}", tests, dictionaries, recordings)
    rows.print()


def compare(
    rows: "Rows", title: str, tests: np.ndarray, dictionaries: list[Dictionary], recordings: list[np.ndarray]
) -> None:
    mixture = tests.sum(axis=0)
    first, second = dictionaries
    methods: dict[str, Callable[[], np.ndarray]] = {
        f"supervised, {phase}": lambda phase=phase: stack(
            Separator({"a": first, "b": second}, phase=phase)(mixture, SR)
        )
        for phase in ("mixture", "misi", "consistent")
    }
    methods |= {
        "first known, second learnt": lambda: stack(Separator({"a": first, "b": 30})(mixture, SR)),
        "second known, first learnt": lambda: stack(Separator({"a": 30, "b": second})(mixture, SR)),
        "blind": lambda: best_order(tests, stack(blind(mixture, SR, 2))),
        "scikit-learn, supervised": lambda: by_scikit_learn(mixture, recordings),
        "librosa.decompose, blind": lambda: best_order(tests, by_librosa(mixture, 2)),
        "harmonic/percussive": lambda: best_order(tests, stack(harmonic_percussive(mixture, SR))),
    }
    for method, run in methods.items():
        began = time.process_time()
        stems = run()
        seconds = time.process_time() - began
        rows.add(title, method, *separation_scores(tests, stems), seconds)


def band(args: argparse.Namespace) -> None:
    """Drums, bass and melody from single samples: dictionaries from other patterns of the same instruments."""
    rows = Rows("song", "method", "drums", "bass", "melody", "seconds")
    train = song(args.samples, seed=1, seconds=20)
    for seed in (2, 3, 4):
        tests = levelled(song(args.samples, seed, seconds=8))
        mixture = tests.sum(axis=0)
        methods = [(f"supervised, {n_taps} frames", n_atoms, n_taps) for n_atoms, n_taps in ((40, 1), (12, 8))]
        for title, n_atoms, n_taps in methods:
            sources = {
                name: trained(y, SAMPLES_SR, n_atoms, n_taps, 0.5, window_s=0.1)
                for name, y in zip(("drums", "bass", "melody"), train, strict=True)
            }
            for phase in ("mixture", "misi"):
                began = time.process_time()
                stems = stack(Separator(sources, phase=phase, penalty=0.5)(mixture, SAMPLES_SR))
                rows.add(seed, f"{title}, {phase}", *improvement(tests, stems), time.process_time() - began)
        for n_taps in (1, 8):
            began = time.process_time()
            stems = best_order(tests, stack(blind(mixture, SAMPLES_SR, 3, n_taps)))
            rows.add(seed, f"blind, {n_taps} frames", *improvement(tests, stems), time.process_time() - began)
        stems = best_order(tests, by_librosa(mixture, 3))
        rows.add(seed, "librosa.decompose, blind", *improvement(tests, stems), np.nan)
    rows.print()


def stereo(args: argparse.Namespace) -> None:
    """The speakers at two places of a stereo picture, and three of them: per channel, and all channels together."""
    rows = Rows("mixture", "method", "SI-SDRi", "seconds")
    names = [*SPEAKERS[0], SPEAKERS[1][0]]
    recordings = [np.concatenate(folder(args.data / "speech" / name)) for name in names]
    dictionaries = {
        name: trained(y[: TRAIN_S * SR], SR, n_atoms=100) for name, y in zip("abc", recordings, strict=True)
    }
    levels = np.array([[0.9, 0.4], [0.5, 0.8], [0.7, 0.7]])
    for n in (2, 3):
        for kind, place in (("panned", panned), ("delayed, with echoes", in_room)):
            tests = np.stack(
                [place(y[-TEST_S * SR :] / y.std(), q) for y, q in zip(recordings[:n], levels, strict=False)]
            )
            mixture = tests.sum(axis=0)
            chosen = dict(itertools.islice(dictionaries.items(), n))
            for title, sources, phase in (
                ("supervised, each channel", chosen, "mixture"),
                ("supervised, spatial", chosen, "spatial"),
            ):
                began = time.process_time()
                stems = stack(Separator(sources, phase=phase)(mixture, SR))
                rows.add(f"{n} {kind}", title, improvement(tests, stems).mean(), time.process_time() - began)
            for phase in ("mixture", "spatial"):
                began = time.process_time()
                stems = best_order(tests, stack(blind(mixture, SR, n, phase=phase)))
                rows.add(
                    f"{n} {kind}", f"blind, {phase}", improvement(tests, stems).mean(), time.process_time() - began
                )
    rows.print()


def phases(args: argparse.Namespace) -> None:
    """What each way to a phase brings over the mixture's, from estimates of the dictionaries and true powers."""
    rows = Rows("phase", "dictionaries", "true powers", "seconds")
    scores: dict[str, list[tuple[float, float, float]]] = {method: [] for method in METHODS}
    for pair in SPEAKERS:
        recordings = [np.concatenate(folder(args.data / "speech" / name)) for name in pair]
        tests = levelled([y[-TEST_S * SR :] for y in recordings])
        mixture = tests.sum(axis=0)
        sources = {name: trained(y[: TRAIN_S * SR], SR, 100) for name, y in zip("ab", recordings, strict=True)}
        stft = STFT.for_rate(SR, 0.064, 0.016)
        powers = np.abs(stft(tests)) ** 2
        for method in METHODS:
            estimated = improvement(tests, stack(Separator(sources, phase=method)(mixture, SR))).mean()
            began = time.process_time()
            stems = signals_of(powers, stft(mixture), stft, len(mixture), method)
            seconds = time.process_time() - began
            scores[method].append((estimated, improvement(tests, stems).mean(), seconds))
    for method, values in scores.items():
        rows.add(method, *np.mean(values, axis=0))
    rows.print()


def trained(
    y: np.ndarray, sr: int, n_atoms: int, n_taps: int = 1, penalty: float = 1.0, window_s: float = 0.064
) -> Dictionary:
    """Dictionary of one source from a recording of it alone."""
    stft = STFT.for_rate(sr, window_s, window_s / 4)
    front_end = FrontEnd(sr, window_s, window_s / 4, n_bins=stft.n_bins, exponent=1.0)
    atoms = train_source([np.abs(stft(y))], n_atoms=n_atoms, n_taps=n_taps, penalty=penalty)
    return Dictionary("sources", {"source": atoms}, front_end)


def blind(y: np.ndarray, sr: int, n_sources: int, n_taps: int = 1, phase: str = "mixture") -> dict[str, np.ndarray]:
    components = Components(y, sr, n_components=24 if n_taps == 1 else 16, n_taps=n_taps)
    return components.stems(components.group(n_sources), phase)


def by_scikit_learn(y: np.ndarray, recordings: list[np.ndarray]) -> np.ndarray:
    """The textbook way with scikit-learn: as many atoms and iterations, Kullback-Leibler, no penalty."""
    from sklearn.decomposition import NMF

    stft = STFT.for_rate(SR, 0.064, 0.016)
    options = {"solver": "mu", "beta_loss": "kullback-leibler", "max_iter": 60, "tol": 0, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that 60 iterations are few
        atoms = [NMF(100, **options).fit(np.abs(stft(r[: TRAIN_S * SR])).T).components_ for r in recordings]
        both = NMF(200, **options)
        both.components_ = np.concatenate(atoms)
        both.n_components_ = both._n_components = 200
        both.n_features_in_ = both.components_.shape[1]
        Y = stft(y)
        H = both.transform(np.abs(Y).T)
    estimates = np.stack([(H[:, k : k + 100] @ both.components_[k : k + 100]).T for k in (0, 100)])
    return signals_of(estimates**2, Y, stft, len(y))


def by_librosa(y: np.ndarray, n_sources: int) -> np.ndarray:
    """One component of `librosa.decompose.decompose` for each source."""
    stft = STFT.for_rate(SR if n_sources == 2 else SAMPLES_SR, 0.064, 0.016)
    Y = stft(y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        W, H = librosa.decompose.decompose(np.abs(Y), n_components=n_sources)
    return signals_of(np.einsum("fk,kn->kfn", W, H) ** 2, Y, stft, len(y))


def best_order(tests: np.ndarray, stems: np.ndarray) -> np.ndarray:
    """Blind stems in the order that fits the sources best."""
    orders = map(list, itertools.permutations(range(len(stems))))
    return stems[max(orders, key=lambda order: improvement(tests, stems[order]).mean())]


def improvement(tests: np.ndarray, stems: np.ndarray) -> np.ndarray:
    """SI-SDR improvement over the mixture in dB, for each source the mean over channels."""
    mixture = np.broadcast_to(tests.sum(axis=0), tests.shape)
    gain = metrics.si_sdr(tests, stems) - metrics.si_sdr(tests, mixture)
    return gain.reshape(len(tests), -1).mean(axis=1)


def separation_scores(tests: np.ndarray, stems: np.ndarray) -> list[float]:
    """Mean SI-SDR improvement, and SDR, SIR and SAR of BSS Eval."""
    sdr, sir, sar, _ = fast_bss_eval.bss_eval_sources(tests.astype(np.float64), stems.astype(np.float64))
    return [improvement(tests, stems).mean(), sdr.mean(), sir.mean(), sar.mean()]


def stack(stems: dict[str, np.ndarray]) -> np.ndarray:
    return np.stack(list(stems.values()))


def levelled(sources: list[np.ndarray] | np.ndarray) -> np.ndarray:
    """Sources at one level, loud but without a peak beyond full scale."""
    sources = np.stack([y / y.std() for y in sources])
    return 0.5 * sources / np.abs(sources.sum(axis=0)).max()


def panned(y: np.ndarray, levels: np.ndarray) -> np.ndarray:
    return levels[:, None] * y


def in_room(y: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Two microphones that hear a source at different levels and times, and 30 echoes within 80 ms."""
    rng = np.random.default_rng(round(100 * levels[0]))
    channels = []
    for level in levels:
        response = np.zeros(SR // 10)
        response[rng.integers(0, 8)] = level
        later = rng.integers(50, 80 * SR // 1000, 30)
        response[later] += 0.15 * rng.standard_normal(30) * np.exp(-later / (0.03 * SR))
        channels.append(np.convolve(y, response)[: len(y)])
    return np.stack(channels)


def song(folder: Path, seed: int, seconds: float) -> np.ndarray:
    """Drums, bass and melody of random notes from single samples, shape (3, samples)."""
    rng = np.random.default_rng(seed)
    notes, beat_s = [0, 2, 3, 5, 7, 8, 10, 12], 0.5

    def sample(name: str, semitones: int = 0, longest_s: float = 2.0) -> np.ndarray:
        y, sr = audio.read(folder / f"{name}.flac")
        y = audio.resample(y.mean(axis=0), round(sr * 2 ** (semitones / 12)), SAMPLES_SR)[: int(longest_s * SAMPLES_SR)]
        return y * np.minimum(1, np.arange(len(y))[::-1] / (0.05 * SAMPLES_SR))

    def played(events: list[tuple[float, np.ndarray]]) -> np.ndarray:
        out = np.zeros(int(seconds * SAMPLES_SR), np.float32)
        for time_s, y in events:
            start = int(time_s * SAMPLES_SR)
            out[start : start + len(y)] += y[: len(out) - start]
        return out

    kick, snare, hat = sample("bd_haus"), sample("sn_dolf", longest_s=0.4), sample("drum_cymbal_closed")
    strokes = []
    for i in range(int(2 * seconds / beat_s)):
        time_s = i * beat_s / 2
        if i % 4 == 0 or rng.random() < 0.2:
            strokes.append((time_s, rng.uniform(0.7, 1) * kick))
        if i % 4 == 2:
            strokes.append((time_s, rng.uniform(0.4, 0.6) * snare))
        if rng.random() < 0.8:
            strokes.append((time_s, rng.uniform(0.3, 0.7) * hat))
    low = [
        ((i + rng.integers(2) / 2) * beat_s, sample("bass_woodsy_c", rng.choice(notes[:6]), beat_s))
        for i in range(int(seconds / beat_s))
    ]
    high = [
        (i * beat_s / 1.5, sample("ambi_piano", rng.choice(notes), 1.2)) for i in range(int(1.5 * seconds / beat_s))
    ]
    return np.stack([played(strokes), played(low), played(high)])


def load(path: Path) -> np.ndarray:
    y, sr = audio.read(path)
    return audio.resample(y.mean(axis=0), sr, SR)


def folder(path: Path) -> list[np.ndarray]:
    return [load(file) for file in sorted(path.glob("*.flac"))]


class Rows:
    """Table in Markdown."""

    def __init__(self, *titles: str) -> None:
        self.lines = [f"| {' | '.join(titles)} |", f"| {' | '.join('---' for _ in titles)} |"]

    def add(self, *cells: object) -> None:
        self.lines.append(f"| {' | '.join(f'{c:.2f}' if isinstance(c, float) else str(c) for c in cells)} |")

    def print(self) -> None:
        print("\n".join(self.lines), flush=True)


TABLES = {f.__name__: f for f in (two_speakers, speech_and_music, band, stereo, phases)}

if __name__ == "__main__":
    main()
