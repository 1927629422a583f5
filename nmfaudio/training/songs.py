"""Training of an unfolded dictionary for songs or for drums from folders of stems, stage after stage."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from .. import audio
from ..arguments import check_count, check_seed, checked
from ..dictionary import Dictionary
from ..errors import NmfaudioError
from ..separation.songs.context import SongContext
from ..separation.songs.cues import PARTS, cues
from ..spectra.front_end import FrontEnd
from ..unfolded.context import spans
from ..unfolded.stage import Stage
from ..unfolded.updates import Matmul
from ..unfolded.weights import Weights
from .checkpoint import Checkpoint, fingerprint
from .data.augment import vary_speed
from .data.frame_pool import Example
from .unfolded.loss import Objective
from .unfolded.presets import Size
from .unfolded.stage import Curve, Schedule, train_stage, trained_dictionary
from .unfolded.start import ELSEWHERE, MOST_SILENT, N_FRAMES, atoms_of, first_weights

FRONT_END = FrontEnd(44_100, window_s=0.093, hop_s=0.02325, n_bins=279, exponent=0.6, n_high=36)
OBJECTIVE = Objective(compression=1.0)

_SECONDS = 20.0
_SILENT = 1e-6  # power relative to the song's, -60 dB: dither, not a sound to raise to a level
_DITHER = 1e-8  # power relative to full scale, -80 dB: no dither of 16 bits is louder, where the song is silent too
_MIXES_PER_EXCERPT, _LATEST = 3, 5  # excerpts at hand, from which a mix takes its stems; or one for each source
_LOCAL = 43  # frames, 1 s, over which the level of a source is measured
_NEIGHBOURHOOD = (9, 25)  # rows and frames
_LEVELLING = 0.2


@dataclass(frozen=True)
class Source:
    """A source before its training.

    Parameters
    ----------
    n_atoms : int
    gains : tuple of float
        First gains of the :data:`PARTS` of the cues: of what is percussive and repeats, ...
    level : float
        Root mean square of its spectra, where stems of different songs are mixed.
    absent : float
        Share of the mixes without it.
    is_placed : bool
        Give it another place between the channels in some mixes.
    """

    n_atoms: int
    gains: tuple[float, ...]
    level: float
    absent: float = 0.05
    is_placed: bool = False


SONGS = {
    "vocals": Source(96, (0.1, 0.4, 0.3, 0.3, 1.0, 0.15, 0.4), 0.8, absent=0.12),
    "drums": Source(64, (1.0, 0.4, 0.2, 0.5, 0.15, 0.1, 0.05), 0.8),
    "bass": Source(48, (0.2, 0.1, 0.6, 0.2, 0.1, 0.15, 0.1), 0.7),
    "other": Source(112, (0.2, 0.2, 0.4, 0.3, 0.2, 1.0, 0.6), 0.7, is_placed=True),
}
DRUMS = {
    "kick": Source(48, (0.3, 0.2, 0.3, 0.5, 0.4, 0.1, 0.1), 0.8, absent=0.1),
    "snare": Source(96, (0.4, 0.4, 0.2, 0.4, 0.4, 0.4, 0.4), 0.8, absent=0.1),
    "cymbals": Source(80, (0.4, 0.4, 0.4, 0.2, 0.2, 0.5, 0.5), 0.4, absent=0.1, is_placed=True),
}

_MAX_HZ = (FRONT_END.n_bins - 1) / FRONT_END.window_s
FIRST = SongContext(
    FRONT_END.n_bins,
    32,
    _MAX_HZ,
    FRONT_END.n_high,
    mixture_means=spans((-86, 86), (-12, -6), (-5, -3), -2, -1, 1, 2, (3, 5), (6, 12)),
    cue_means=spans(0, (-6, 6), (-43, 43)),
    cue_atoms=spans(0),
)
SECOND = SongContext(  # and the number of sources
    FRONT_END.n_bins,
    32,
    _MAX_HZ,
    FRONT_END.n_high,
    cue_means=spans(0),
    source_means=spans((-86, -13), (-12, -4), (-3, -1), 0, (1, 3), (4, 12), (13, 86)),
    source_atoms=spans(0, (-3, 3)),
)
_LAYERS: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (  # of each update, those with a learnt penalty
    ((0, 1, 2), ()),
    ((0, 1, 2, 3), (2, 3)),
)


class SongMixer:
    """Mixes of stems, each computed from its number alone.

    Half of them are excerpts of songs; in the others each stem is of another song. Levels, equalisers, sides and widths
    vary. A stem that is 60 dB below its song in an excerpt, or 80 dB below full scale, is silent there.

    Parameters
    ----------
    sources : mapping of str to Source
    folders : sequence of Path
        Folders with one sound file for each of the sources, at any rate; one that is missing, or over, is silent.
    random_state : int
    """

    def __init__(self, sources: Mapping[str, Source], folders: Sequence[Path], random_state: int) -> None:
        self.sources = sources
        self.folders, self.random_state = list(folders), random_state
        self.stft = FRONT_END.stft(FRONT_END.sr)
        self.n = int(_SECONDS * FRONT_END.sr)
        self._latest = max(_LATEST, len(sources))
        self._excerpt = lru_cache(maxsize=self._latest + 3)(self._read)

    def _read(self, number: int) -> np.ndarray:
        """Spectra of all stems of an excerpt, shape (S, 2, B, T)."""
        rng = np.random.default_rng([self.random_state, number, 1])
        folder = self.folders[int(rng.integers(len(self.folders)))]
        paths = {path.stem: path for path in folder.iterdir() if path.suffix.lower() in audio.SUFFIXES}
        lengths = {name: audio.info(paths[name]).duration_s for name in self.sources if name in paths}
        if not lengths:
            raise NmfaudioError(f"{folder}: has no stem of {', '.join(self.sources)}")
        speed = rng.uniform(0.85, 1.15) if rng.random() < 0.7 else 1.0
        seconds = _SECONDS * speed + 0.1
        start_s = rng.uniform(0, max(0.0, max(lengths.values()) - seconds))
        out = np.zeros((len(self.sources), 2, self.stft.n_bins, self.stft.n_frames(self.n)), np.complex64)
        for spectra, name in zip(out, self.sources, strict=True):
            if lengths.get(name, 0) > start_s:
                y, sr = audio.read(paths[name], start_s=start_s, stop_s=start_s + seconds)
                if np.sum(y**2) > _DITHER * y.size:
                    y = audio.resample(y[:2], sr, FRONT_END.sr)
                    y = np.stack([vary_speed(channel, speed) for channel in y])[:, : self.n]
                    spectra[:] = self.stft.analysis(np.pad(y, ((0, 0), (0, self.n - y.shape[1]))).astype(np.float32))
        least = _SILENT * _power(out.sum(axis=0))
        for spectra in out:
            if _power(spectra) < least:
                spectra[:] = 0
        return out

    def __call__(self, index: int) -> np.ndarray:
        """Spectra of the stems of a mix, shape (S, 2, B, T)."""
        rng = np.random.default_rng([self.random_state, index, 2])
        latest = index // _MIXES_PER_EXCERPT + rng.permutation(self._latest)
        whole = rng.random() < 0.5
        stems = np.empty_like(self._excerpt(int(latest[0])))
        for i, (stem, source) in enumerate(zip(stems, self.sources.values(), strict=True)):
            excerpt = self._excerpt(int(latest[0 if whole else i]))[i]
            if not excerpt.any() or rng.random() < source.absent:
                stem[:] = 0
                continue
            gain_db = rng.normal(0, 4) if whole else rng.normal(0, 5)
            gain = 10 ** (gain_db / 20) * (1.0 if whole else source.level / np.sqrt(_power(excerpt)))
            n_bins, n_frames = excerpt.shape[1:]
            swell = np.interp(np.arange(n_frames), np.linspace(0, n_frames, 8), rng.normal(0, 1.5, 8))
            colour = np.interp(np.log2(1 + np.arange(n_bins) / 8), np.linspace(0, 8.1, 7), rng.normal(0, 3, 7))
            shape = np.float32(gain) * 10 ** ((swell + colour[:, None]) / 20).astype(np.float32)
            left, right = excerpt if rng.random() < 0.5 else excerpt[::-1]
            kind = rng.random()
            if kind < 0.15:
                left = right = (left + right) / 2
            elif kind < 0.3 and source.is_placed:
                place = rng.uniform(0, 0.5 * np.pi)
                middle = (left + right) / np.float32(np.sqrt(2))
                left, right = middle * np.float32(np.cos(place)), middle * np.float32(np.sin(place))
            np.multiply(left, shape, out=stem[0])
            np.multiply(right, shape, out=stem[1])
        return stems


def _power(Y: np.ndarray) -> float:
    return float(np.mean(np.abs(Y) ** 2))


def targets(stems: np.ndarray, frames: slice | np.ndarray = slice(None)) -> tuple[np.ndarray, np.ndarray]:
    """Compute what the masked mixture is compared with, so that the error is that of the stems' signals.

    The error of a stem in a row, ``|m X - S|^2`` without what no mask can change, counts relative to its energy within
    a second, as in SDR; and, a little, relative to the local energy of the mixture, so that quiet rows count too.

    Parameters
    ----------
    stems : ndarray, shape (S, channels, B, T)
        Complex spectra.
    frames : slice or ndarray of int

    Returns
    -------
    mixture, target : ndarray, shape (T, S, F)
    """
    from scipy.ndimage import uniform_filter, uniform_filter1d

    Y = stems.sum(axis=0)
    width = FRONT_END.rows_width[:, None].astype(np.float32)
    power = FRONT_END.rows(np.mean(Y.real**2 + Y.imag**2, axis=0)) * width
    energy = np.stack([np.mean(S.real**2 + S.imag**2, axis=0).sum(axis=0) for S in stems])
    energy = uniform_filter1d(np.concatenate([energy, energy.sum(axis=0, keepdims=True)]), _LOCAL, axis=1)
    weight = 1 / (energy[:-1] + 0.15 * energy[-1:] + 1e-6 * energy[-1].mean() + 1e-9)  # (S, T)
    local = uniform_filter(power / width, _NEIGHBOURHOOD, mode="nearest")
    local = (local / (local.mean() + 1e-12) + 1e-4) ** -_LEVELLING
    x = np.sqrt(power)[:, frames] + np.float32(1e-12)
    scale = np.sqrt(weight[:, None, frames] * local[:, frames] * len(x))  # (S, F, T)
    cross = np.stack(
        [FRONT_END.rows(np.mean(S.real * Y.real + S.imag * Y.imag, axis=0)[:, frames]) * width for S in stems]
    )
    mixture, target = x * scale, cross / x * scale
    return tuple(np.ascontiguousarray(z.transpose(2, 0, 1), np.float32) for z in (mixture, target))  # type: ignore


@dataclass(frozen=True)
class SongExamples:
    """Training examples of a stage, made of mixes."""

    mixer: SongMixer
    before: tuple[Stage, ...]
    context: SongContext
    n_frames: int

    def __call__(self, number: int) -> Example:
        """Make an example of random frames of mix `number`."""
        stems = self.mixer(number)
        rng = np.random.default_rng([self.mixer.random_state, number, 3])
        frames = np.sort(rng.choice(stems.shape[-1], self.n_frames, replace=False))
        return self.of(stems, frames)

    def of(self, stems: np.ndarray, frames: slice | np.ndarray = slice(None)) -> Example:
        """Make an example of some frames of a mix."""
        X = cues(stems.sum(axis=0), FRONT_END)
        masks = None
        for stage in self.before:
            masks = stage(X, masks)
        stack, tracked = self.context.stack_rows(X, masks, frames)
        n_high = np.full(len(stack), FRONT_END.n_high, np.float32)
        return Example(stack, tracked, *targets(stems, frames), n_high)

    def of_first(self, n: int, n_frames: int) -> Example:
        """Make one example of some frames of each of the first mixes."""
        mixes = map(self.mixer, range(n))
        return Example.joined([self.of(X, np.linspace(0, X.shape[-1] - 1, n_frames).astype(int)) for X in mixes])


def initial_weights(context: SongContext, mixer: SongMixer, size: Size, random_state: int) -> Weights:
    """Make the weights of a stage that its training starts from: sparse NMF of each source alone."""
    rng = np.random.default_rng([random_state, 1])
    sources = mixer.sources.values()
    stacks: list[list[np.ndarray]] = [[] for _ in sources]
    number, n_silent = 2**40, [0] * len(sources)
    while any(sum(map(len, stack)) < N_FRAMES for stack in stacks):
        stems = mixer(number)
        number += 1
        for i, (stem, stack) in enumerate(zip(stems, stacks, strict=True)):
            n_silent[i] = 0 if stem.any() else n_silent[i] + 1
            if n_silent[i] == MOST_SILENT:
                raise NmfaudioError(f"{list(mixer.sources)[i]}: nothing to train on but silence")
            if stem.any() and sum(map(len, stack)) < N_FRAMES:
                X = cues(stem, FRONT_END)
                masks = None
                if context.n_sources:
                    masks = np.full((len(sources), *X.shape[1:]), 0.02, np.float32)
                    masks[i] = 0.94
                level = X[0].mean(axis=0)
                loud = np.flatnonzero(level > 0.1 * np.percentile(level, 95))
                stack.append(context.stack_rows(X, masks, rng.permutation(loud)[:240])[0])
    W = np.concatenate(
        [atoms_of(np.concatenate(stack), n, rng) for stack, n in zip(stacks, size.n_atoms, strict=True)], axis=1
    )
    J, F, S = context.n_tracked, context.height, len(sources)
    gains = np.ones((J, len(W)), np.float32)
    source_gains = np.full((S, J, F), ELSEWHERE)
    rows = {part.name: part.rows for part in context.layout}
    of_parts = np.array([source.gains for source in sources], np.float32)
    for kind, n in (("cue", len(PARTS)), ("source", context.n_sources)):
        for i in range(n):
            atoms = rows[f"{kind}_atoms {i}"]
            for other in range(n):
                if other != i:
                    gains[atoms, rows[f"{kind}_means {other}"]] = ELSEWHERE
            if kind == "cue":
                source_gains[:, atoms] = of_parts[:, i, None, None]
            else:
                source_gains[i, atoms] = 1
    owner = np.repeat(np.arange(S), size.n_atoms)
    shares = [np.where(owner == i, np.float32(1), ELSEWHERE) for i in range(S)]
    return first_weights(W, size, gains, shares, source_gains, rng)


@checked
def train_songs(
    sources: Mapping[str, Source],
    folders: Sequence[Path],
    dev_folders: Sequence[Path],
    *,
    schedules: Sequence[Schedule],
    n_dev: int = 40,
    random_state: int = 0,
    matmul: Matmul = np.matmul,
    checkpoint: Path | None = None,
    report: Callable[[int, dict[str, float]], None] = lambda stage, entry: None,
) -> Dictionary:
    """Train a dictionary for songs or for drums, stage after stage.

    Parameters
    ----------
    sources : mapping of str to Source
        :data:`SONGS`, :data:`DRUMS` or others.
    folders, dev_folders : sequence of Path
        Songs to learn from, and to watch the learning on: folders with one file for each of the sources.
    schedules : sequence of Schedule
        One for each stage: one or two.
    n_dev : int
        Number of mixes to watch the learning on.
    random_state : int
        Seed of all random choices.
    matmul : callable
        Matrix product of the training steps.
    checkpoint : Path, optional
        The state of stage i is kept beside it in ``NAME.i.npz``.
    report : callable
        Called with the stage and each entry of its learning curve.

    Returns
    -------
    Dictionary
        Of kind "songs"; its record holds the learning curves and no corpora.

    Raises
    ------
    NmfaudioError
        If an argument is out of range, no folder has one of the sources, a checkpoint is of another training, or the
        training breaks down.
    """
    if not sources:
        raise NmfaudioError("sources is empty: give SONGS, DRUMS or your own")
    for name, some in (("folders", folders), ("dev_folders", dev_folders)):
        if not some:
            raise NmfaudioError(f"{name} is empty: give folders with a file for each of {', '.join(sources)}")
        if missing := [folder for folder in some if not folder.is_dir()]:
            raise NmfaudioError(f"{missing[0]}: no such folder: give those of songs in {name}")
    if not 1 <= len(schedules) <= len(_LAYERS):
        raise NmfaudioError(f"{len(schedules)} schedules: give one for each stage, of which there are one or two")
    check_count("n_dev", n_dev)
    check_seed(random_state)
    mixer, dev_mixer = SongMixer(sources, folders, random_state), SongMixer(sources, dev_folders, 2**31)
    n_frames = mixer.stft.n_frames(mixer.n)
    for schedule in schedules:
        if schedule.item_frames > n_frames:
            raise NmfaudioError(f"item_frames {schedule.item_frames}: a mix has {n_frames} frames: give no more")
    contexts = FIRST, replace(SECOND, n_sources=len(sources))
    n_atoms = tuple(source.n_atoms for source in sources.values())
    stages, curves = list[Stage](), list[tuple[Schedule, Curve]]()
    for i, schedule in enumerate(schedules):
        context, size = contexts[i], Size(n_atoms, *_LAYERS[i])
        settings = {
            "random_state": random_state,
            "order": size.order,
            "against": size.against,
            "sources": list(sources),
            **{f"source {name}": asdict(source) for name, source in sources.items()},
            "before": [fingerprint(stage.weights.arrays()) for stage in stages],
            **asdict(context),
        }
        weights, curve = train_stage(
            initial_weights(context, mixer, size, random_state),
            size.order,
            context,
            SongExamples(mixer, tuple(stages), context, schedule.item_frames),
            SongExamples(dev_mixer, tuple(stages), context, 0).of_first(n_dev, 100),
            schedule=schedule,
            objective=OBJECTIVE,
            random_state=random_state,
            matmul=matmul,
            to_the_end=True,  # rendered songs are not real ones
            checkpoint=None if checkpoint is None else Checkpoint(Path(f"{checkpoint}.{i}.npz"), settings),
            report=partial(report, i),
        )
        stages.append(Stage(weights, size.order, context))
        curves.append((schedule, curve))
    return trained_dictionary("songs", stages, curves, FRONT_END, OBJECTIVE, random_state, {"sources": list(sources)})
