"""Measure separation of mixtures whose sources are known: see separation.md.

python benchmarks/separation.py TABLE... --data DIR --samples DIR

libnmfd and nussl are compared with where they are installed.
"""

import argparse
import importlib.util
import itertools
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import librosa
import numpy as np

from nmfaudio import STFT, audio, metrics
from nmfaudio.dictionary import Dictionary
from nmfaudio.separation import Components, Separator, harmonic_percussive
from nmfaudio.spectra.phase import METHODS, signals_of
from nmfaudio.training.source import train_dictionary

SR, SAMPLES_SR = 16000, 44100
TEST_S, TRAIN_S = 6, 60
BEAT_S = 0.5
SPEAKERS = [  # folders below DIR/speech
    ("vctk16/p225", "vctk16/p226"),
    ("ljspeech/LJ", "fillets_cs/cs_m"),
    ("asterisk/en_US_f_Allison", "asterisk/it_IT_m_Carlo"),
]
NUSSL = ("Repet", "FT2D", "TimbreClustering")
MUSIC = ["brahms_strings.flac", "vibe_ace.flac", "trumpet_solo.flac"]
SONG = "lets_go_fishin_vocals_guitar.flac"

Method = Callable[[np.ndarray, int], "np.ndarray | dict[str, np.ndarray]"]


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
    rows = Rows("pair", "method", "SI-SDRi", "worse stem", "SDR", "SIR", "SAR", "seconds")
    for pair in SPEAKERS:
        known, tests = zip(*(speaker(args, name) for name in pair), strict=True)
        compare(rows, " + ".join(Path(name).name for name in pair), levelled(tests), known)
    rows.mean()


def speech_and_music(args: argparse.Namespace) -> None:
    """A speaker over music: the music's dictionary from the first half of the piece, the mixture from the second."""
    rows = Rows("pair", "method", "SI-SDRi", "worse stem", "SDR", "SIR", "SAR", "seconds")
    known, test = speaker(args, SPEAKERS[0][0])
    for name in MUSIC:
        music = load(args.data / "music" / name)[: 2 * TEST_S * SR]
        half = len(music) // 2
        compare(
            rows,
            f"p225 + {name.split('_')[0]}",
            levelled([test[:half], music[half : 2 * half]]),
            (known, music[:half]),
        )
    rows.mean()


def penalties(args: argparse.Namespace) -> None:
    """The L1 penalty, in training and separation: two speakers, and two pieces of music, of 16 s each, halved."""
    values = (0, 0.05, 0.1, 0.2, 0.5, 1)
    rows = Rows("pair", "kind", *map(str, values))
    pairs = []
    for pair in SPEAKERS:
        known, tests = zip(*(speaker(args, name) for name in pair), strict=True)
        pairs.append((" + ".join(Path(name).name for name in pair), "speakers", known, tests))
    music = {name.split("_")[0]: load(args.data / "music" / name)[: 16 * SR] for name in (*MUSIC, SONG)}
    for (a, first), (b, second) in itertools.combinations(music.items(), 2):
        half = min(len(first), len(second)) // 2
        known, tests = (tuple(y[part] for y in (first, second)) for part in (slice(half), slice(half, 2 * half)))
        pairs.append((f"{a} + {b}", "music", known, tests))
    for title, kind, known, sources in pairs:
        tests = levelled(sources)
        gains = []
        for penalty in values:
            both = {str(i): trained(y, SR, 80, penalty=penalty) for i, y in enumerate(known)}
            stems = np.stack(list(Separator(both, penalty=penalty)(tests.sum(axis=0), SR).values()))
            gains.append(float(improvement(tests, stems).mean()))
        rows.add(title, kind, *gains)
    rows.mean()


def compare(rows: "Rows", title: str, tests: np.ndarray, recordings: tuple[np.ndarray, ...]) -> None:
    first, second = (trained(y, SR, n_atoms=100) for y in recordings)
    both = {"a": first, "b": second}
    methods: dict[str, Method] = {
        "supervised": Separator(both, penalty=1.0),
        "supervised, consistent": Separator(both, penalty=1.0, phase="consistent"),
        "supervised, scikit-learn": lambda y, sr: by_scikit_learn(y, recordings),
        "first known, 8 atoms learnt": Separator({"a": first, "b": 8}, penalty=1.0),
        "second known, 8 atoms learnt": Separator({"a": 8, "b": second}, penalty=1.0),
        "blind": lambda y, sr: blind(y, sr, 2),
        "blind, harmonic/percussive": harmonic_percussive,
        "blind, librosa.decompose": lambda y, sr: by_librosa(y, sr, 2),
    }
    if installed("nussl"):
        methods |= {f"blind, nussl {name}": partial(by_nussl, name=name) for name in NUSSL}
    for method, stems, seconds in separated(tests, SR, methods):
        scores, gain = metrics.bss_eval(tests, stems), improvement(tests, stems)
        rows.add(title, method, gain.mean(), gain.min(), *(scores[k].mean() for k in ("sdr", "sir", "sar")), seconds)


def separated(tests: np.ndarray, sr: int, methods: Mapping[str, "Method"]) -> Iterator[tuple[str, np.ndarray, float]]:
    """Stems of each method and its seconds; those of blind methods in the order that fits the sources best."""
    for name, method in methods.items():
        began = time.process_time()
        stems = method(tests.sum(axis=0), sr)
        seconds = time.process_time() - began
        stems = np.stack(list(stems.values())) if isinstance(stems, dict) else stems
        if name.startswith("blind"):
            orders = map(list, itertools.permutations(range(len(stems))))
            stems = stems[max(orders, key=lambda order: improvement(tests, stems[order]).mean())]  # noqa: B023
        yield name, stems, seconds


def band(args: argparse.Namespace) -> None:
    """Drums, bass and melody from single samples: dictionaries from other patterns of the same instruments."""
    rows = Rows("song", "method", "drums", "bass", "melody", "seconds")
    names, known = ("drums", "bass", "melody"), song(args.samples, seed=1, seconds=20)
    methods: dict[str, Method] = {}
    for n_atoms, n_taps in ((40, 1), (12, 8)):
        sources = {
            name: trained(y, SAMPLES_SR, n_atoms, n_taps, 0.5, window_s=0.1)
            for name, y in zip(names, known, strict=True)
        }
        for phase in ("mixture", "consistent"):
            methods[f"supervised, {n_taps} frames, {phase}"] = Separator(sources, phase=phase, penalty=0.5)
    for n_taps in (1, 8):
        methods[f"blind, {n_taps} frames"] = partial(blind, n_sources=3, n_taps=n_taps)
    methods["blind, librosa.decompose"] = partial(by_librosa, n_sources=3)
    for seed in (2, 3, 4):
        tests = levelled(song(args.samples, seed, seconds=8))
        for method, stems, seconds in separated(tests, SAMPLES_SR, methods):
            rows.add(seed, method, *improvement(tests, stems), seconds)
    rows.mean()


def drums(args: argparse.Namespace) -> None:
    """Kick, snare and hi-hat of one loop, as in the drum demo of libnmfd: blind, and with the strokes known."""
    rows = Rows("loop", "method", "kick", "snare", "hi-hat", "seconds")
    names, known = ("kick", "snare", "hi-hat"), strokes(args.samples, seed=1, seconds=8)
    sources = {name: trained(y, SAMPLES_SR, 4, 8, 0.5) for name, y in zip(names, known, strict=True)}
    methods: dict[str, Method] = {
        "supervised": Separator(sources, penalty=0.5),
        "blind, 3 components of 8 frames": by_components,
    }
    if installed("libnmfd"):
        methods["blind, libnmfd"] = by_libnmfd
        methods["supervised start, libnmfd"] = partial(by_libnmfd, solos=known)
    for seed in (2, 3, 4):
        tests = levelled(strokes(args.samples, seed, seconds=6))
        for method, stems, seconds in separated(tests, SAMPLES_SR, methods):
            rows.add(seed, method, *improvement(tests, stems), seconds)
    rows.mean()


def stereo(args: argparse.Namespace) -> None:
    """Two and three speakers at places of a stereo picture: a mask per channel, and all channels together."""
    rows = Rows("mixture", "method", "SI-SDRi", "worst stem", "seconds")
    pairs = [speaker(args, name) for name in (*SPEAKERS[0], SPEAKERS[1][0])]
    dictionaries = {name: trained(known, SR, n_atoms=100) for name, (known, _) in zip("abc", pairs, strict=True)}
    levels = np.array([[0.9, 0.4], [0.5, 0.8], [0.7, 0.7]])
    for n in (2, 3):
        chosen = dict(itertools.islice(dictionaries.items(), n))
        methods: dict[str, Method] = {"supervised, each channel alone": partial(channel_by_channel, sources=chosen)}
        for title, phase in (("a mask per channel", "mixture"), ("spatial", "spatial")):
            methods[f"supervised, {title}"] = Separator(chosen, phase=phase)
            methods[f"blind, {title}"] = partial(blind, n_sources=n, phase=phase)
        for kind, place in (("panned", panned), ("delayed, with echoes", in_room)):
            tests = np.stack([place(y / y.std(), q) for (_, y), q in zip(pairs[:n], levels, strict=False)])
            for method, stems, seconds in separated(tests, SR, methods):
                gain = improvement(tests, stems)
                rows.add(f"{n} {kind}", method, gain.mean(), gain.min(), seconds)
    rows.print()


def phases(args: argparse.Namespace) -> None:
    """SI-SDR improvement by each way to a phase, from estimates of the dictionaries and from true powers."""
    rows = Rows("phase", "dictionaries", "true powers", "seconds")
    scores: dict[str, list[tuple[float, float, float]]] = {method: [] for method in METHODS}
    stft = STFT.for_rate(SR, 0.064, 0.016)
    for pair in SPEAKERS:
        known, tests = zip(*(speaker(args, name) for name in pair), strict=True)
        tests, sources = levelled(tests), {name: trained(y, SR, 100) for name, y in zip("ab", known, strict=True)}
        powers, mixture = np.abs(stft(tests)) ** 2, tests.sum(axis=0)
        for method in METHODS:
            stems = np.stack(list(Separator(sources, phase=method)(mixture, SR).values()))
            began = time.process_time()
            ideal = signals_of(powers, stft(mixture), stft, len(mixture), method)
            seconds = time.process_time() - began
            scores[method].append((improvement(tests, stems).mean(), improvement(tests, ideal).mean(), seconds))
    for method, values in scores.items():
        rows.add(method, *np.mean(values, axis=0))
    rows.print()


def trained(
    y: np.ndarray, sr: int, n_atoms: int, n_taps: int = 1, penalty: float = 1.0, window_s: float = 0.064
) -> Dictionary:
    return train_dictionary("source", [y], sr, n_components=n_atoms, n_taps=n_taps, penalty=penalty, window_s=window_s)


def blind(y: np.ndarray, sr: int, n_sources: int, n_taps: int = 1, phase: str = "mixture") -> dict[str, np.ndarray]:
    components = Components(y, sr, n_components=24 if n_taps == 1 else 16, n_taps=n_taps)
    return components.stems(components.group(n_sources), phase)


def channel_by_channel(y: np.ndarray, sr: int, sources: Mapping[str, Dictionary]) -> np.ndarray:
    return np.stack([list(Separator(sources)(channel, sr).values()) for channel in y], axis=1)


def by_components(y: np.ndarray, sr: int) -> dict[str, np.ndarray]:
    """Convolutive components of the mixture, one a source: the best of three starts by the divergence."""
    starts = [Components(y, sr, n_components=3, n_taps=8, random_state=seed) for seed in range(3)]
    best = min(starts, key=lambda components: components.factorization.objective[-1])
    return best.stems({"a": [0], "b": [1], "c": [2]})


def by_scikit_learn(y: np.ndarray, recordings: tuple[np.ndarray, ...]) -> np.ndarray:
    """The textbook way with scikit-learn: as many atoms and iterations, Kullback-Leibler, no penalty."""
    from sklearn.decomposition import NMF

    stft = STFT.for_rate(SR, 0.064, 0.016)
    options = {"solver": "mu", "beta_loss": "kullback-leibler", "max_iter": 60, "tol": 0, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that 60 iterations are few
        atoms = [NMF(100, **options).fit(np.abs(stft(r)).T).components_ for r in recordings]
        both = NMF(200, **options)
        both.components_ = np.concatenate(atoms)
        both.n_components_ = both._n_components = 200
        both.n_features_in_ = both.components_.shape[1]
        Y = stft(y)
        H = both.transform(np.abs(Y).T)
    estimates = np.stack([(H[:, k : k + 100] @ both.components_[k : k + 100]).T for k in (0, 100)])
    return signals_of(estimates**2, Y, stft, len(y))


def by_librosa(y: np.ndarray, sr: int, n_sources: int) -> np.ndarray:
    """One component of `librosa.decompose.decompose` for each source."""
    stft = STFT.for_rate(sr, 0.064, 0.016)
    Y = stft(y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        W, H = librosa.decompose.decompose(np.abs(Y), n_components=n_sources)
    return signals_of(np.einsum("fk,kn->kfn", W, H) ** 2, Y, stft, len(y))


def by_libnmfd(y: np.ndarray, sr: int, solos: np.ndarray | None = None) -> np.ndarray:
    """Convolutive NMF of libnmfd, one component a source, from a random start or from templates of each source."""
    from libnmfd.core import nmfconv

    nmfconv.tnrange = lambda n, **_: range(n)  # its progress bar needs a notebook
    stft, shape = STFT.for_rate(sr, 0.064, 0.016), {"num_template_frames": 8}

    def explained(y: np.ndarray, n: int, W: list[np.ndarray] | None = None) -> tuple:
        W = W or nmfconv.init_templates(num_comp=n, num_bins=stft.n_bins, **shape)
        return nmfconv.nmf_conv(np.abs(stft(y)).astype(np.float64), num_comp=n, num_iter=60, init_W=W, **shape)

    np.random.seed(0)
    W = None if solos is None else [explained(solo, 1)[0][0] for solo in solos]
    return signals_of(np.stack(explained(y, 3, W)[2]) ** 2, stft(y), stft, len(y))


def by_nussl(y: np.ndarray, sr: int, name: str) -> np.ndarray:
    """A primitive of nussl, which asks SciPy for windows where they were before version 1.13."""
    import scipy.signal

    for window in ("hamming", "blackman", "hann"):
        if not hasattr(scipy.signal, window):
            setattr(scipy.signal, window, getattr(scipy.signal.windows, window))
    import nussl

    signal = nussl.AudioSignal(audio_data_array=y[None].astype(np.float64), sample_rate=sr)
    options = {"num_sources": 2, "n_components": 24} if name == "TimbreClustering" else {}
    return np.stack([s.audio_data[0, : len(y)] for s in getattr(nussl.separation.primitive, name)(signal, **options)()])


def installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def improvement(tests: np.ndarray, stems: np.ndarray) -> np.ndarray:
    """SI-SDR improvement over the mixture in dB, for each source the mean over channels."""
    mixture = np.broadcast_to(tests.sum(axis=0), tests.shape)
    gain = metrics.si_sdr(tests, stems) - metrics.si_sdr(tests, mixture)
    return gain.reshape(len(tests), -1).mean(axis=1)


def levelled(sources: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
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
    rng = np.random.default_rng([seed, 1])
    notes = [0, 2, 3, 5, 7, 8, 10, 12]
    low = [
        ((i + rng.integers(2) / 2) * BEAT_S, sample(folder, "bass_woodsy_c", rng.choice(notes[:6]), BEAT_S))
        for i in range(int(seconds / BEAT_S))
    ]
    high = [
        (i * BEAT_S / 1.5, sample(folder, "ambi_piano", rng.choice(notes), 1.2))
        for i in range(int(1.5 * seconds / BEAT_S))
    ]
    return np.stack([strokes(folder, seed, seconds).sum(axis=0), played(low, seconds), played(high, seconds)])


def strokes(folder: Path, seed: int, seconds: float) -> np.ndarray:
    """Kick, snare and hi-hat of a random pattern, shape (3, samples)."""
    rng = np.random.default_rng([seed, 2])
    drums = sample(folder, "bd_haus"), sample(folder, "sn_dolf", longest_s=0.4), sample(folder, "drum_cymbal_closed")
    events: tuple[list, list, list] = [], [], []
    for i in range(int(2 * seconds / BEAT_S)):
        strengths = (
            rng.uniform(0.7, 1) * (i % 4 == 0 or rng.random() < 0.2),
            rng.uniform(0.4, 0.6) * (i % 4 == 2),
            rng.uniform(0.3, 0.7) * (rng.random() < 0.8),
        )
        for drum, strength, hits in zip(drums, strengths, events, strict=True):
            hits.append((i * BEAT_S / 2, strength * drum))
    return np.stack([played(hits, seconds) for hits in events])


def sample(folder: Path, name: str, semitones: int = 0, longest_s: float = 2.0) -> np.ndarray:
    """A single sample, faded out at its end."""
    y, sr = audio.read(folder / f"{name}.flac")
    y = audio.resample(y.mean(axis=0), round(sr * 2 ** (semitones / 12)), SAMPLES_SR)[: int(longest_s * SAMPLES_SR)]
    return y * np.minimum(1, np.arange(len(y))[::-1] / (0.05 * SAMPLES_SR))


def played(events: list[tuple[float, np.ndarray]], seconds: float) -> np.ndarray:
    out = np.zeros(int(seconds * SAMPLES_SR), np.float32)
    for time_s, y in events:
        start = int(time_s * SAMPLES_SR)
        out[start : start + len(y)] += y[: len(out) - start]
    return out


def speaker(args: argparse.Namespace, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Recordings of a speaker to train on, and others to mix."""
    y = np.concatenate(folder(args.data / "speech" / name))
    return y[: -TEST_S * SR][: TRAIN_S * SR], y[-TEST_S * SR :]


def load(path: Path) -> np.ndarray:
    y, sr = audio.read(path)
    return audio.resample(y.mean(axis=0), sr, SR)


def folder(path: Path) -> list[np.ndarray]:
    return [load(file) for file in sorted(path.glob("*.flac"))]


class Rows:
    """Table in Markdown."""

    def __init__(self, *titles: str) -> None:
        self.titles, self.rows = titles, []

    def add(self, *cells: object) -> None:
        self.rows.append(cells)

    def mean(self) -> None:
        """Print the rows, then the means over the first column."""
        self.print()
        means = Rows("mean", *self.titles[1:])
        for method in dict.fromkeys(row[1] for row in self.rows):
            means.add("", method, *np.mean([row[2:] for row in self.rows if row[1] == method], axis=0))
        print()
        means.print()

    def print(self) -> None:
        print("| " + " | ".join(self.titles) + " |")
        print("| " + " | ".join("---" for _ in self.titles) + " |")
        for row in self.rows:
            print("| " + " | ".join(f"{c:.2f}" if isinstance(c, float) else str(c) for c in row) + " |", flush=True)


TABLES = {f.__name__: f for f in (two_speakers, speech_and_music, penalties, band, drums, stereo, phases)}

if __name__ == "__main__":
    main()
