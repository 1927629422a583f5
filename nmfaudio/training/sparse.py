"""Training of sparse dictionaries: atoms of speech, then atoms of the noise that speech cannot explain.

The corpus comes in numbered blocks of frames. An update of the atoms needs sums over the frames of each block, which
depend on the block and the present atoms alone: any worker can compute them. They are added up in the order of the
blocks, in double precision, so that the atoms do not depend on the number of workers.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arguments import check_count, check_number, check_seed, checked, shown
from ..audio import as_signal
from ..compute.processes import Map
from ..dictionary import Dictionary
from ..errors import NmfaudioError
from ..kernels.nmf.multiplicative import update_atoms
from ..nmf.atom_order import atom_order
from ..nmf.multiplicative_updates import MultiplicativeUpdates
from ..nmf.sparse_nmf import random_atoms
from ..spectra.front_end import FrontEnd
from .checkpoint import Checkpoint
from .data.corpus import Corpus
from .data.corpus_blocks import corpus_batches

Block = np.ndarray | Callable[[], Sequence[np.ndarray]]
"""Compressed magnitude (F, T), or a function that makes a list of them where it is called."""

Batch = Block | Sequence[Block]
"""Blocks between one update of the atoms and the next; their number limits how many workers can share the work."""

Progress = Callable[[str, int, float], None]

LEAST_CORPUS_S = 1800.0
"""Duration that a shorter corpus is repeated to."""

FRONT_END = FrontEnd(exponent=0.6)
"""Front end of dictionaries that are trained from the beginning."""

SETTINGS = {"mask_power": 1.6}
"""Settings of a sparse dictionary, measured best on development mixtures."""

_QUIETEST = 0.05  # of the mean level of a recording; quieter frames are left out
_BLOCK = 2000  # frames of a recording in memory between two updates
_START_BLOCKS = 8  # blocks that the first atoms are drawn from


@checked
def train_sparse(
    speech: Iterable[ArrayLike],
    noise: Iterable[ArrayLike],
    sr: float,
    *,
    front_end: FrontEnd = FRONT_END,
    least_s: float = 100.0,
    **options: Any,
) -> Dictionary:
    """Train a sparse dictionary on recordings in memory; for corpora on disk see :func:`build_sparse`.

    Parameters
    ----------
    speech, noise : iterable of array_like, shape (samples,) or (channels, samples)
        Recordings of speech alone and of noise alone; float, or integers that are scaled to full scale 1.
    sr : float
        Sampling rate in Hz; any.
    front_end : FrontEnd
        Front end of the dictionary.
    least_s : float
        Seconds to train on, for each of the two; shorter material is repeated.
    **options
        Options of :func:`train_on_blocks`, such as `n_speech`, `n_noise`, `penalty` and `random_state`.

    Returns
    -------
    Dictionary
        Of kind "sparse", with an empty record.

    Raises
    ------
    NmfaudioError
        If a recording is no such signal, or there is nothing but silence.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio import Denoiser
    >>> rng = np.random.default_rng(0)
    >>> hum, hiss = np.sin(0.1 * np.arange(16000)), rng.standard_normal(16000)
    >>> dictionary = train_sparse([hum], [hiss], 16000, least_s=1, n_speech=2, n_noise=2)
    >>> Denoiser(dictionary)(hum + 0.1 * hiss, 16000).shape
    (16000,)
    """
    check_number("least_s", least_s, 0)
    streams = []
    for recordings in (speech, noise):
        spectrograms = (V for y in recordings for V in front_end.spectrogram(np.atleast_2d(as_signal(y)), sr))
        blocks = [V[:, i : i + _BLOCK] for V in spectrograms for i in range(0, V.shape[1], _BLOCK)]
        seconds = sum(V.shape[1] for V in blocks) * front_end.hop_s
        streams.append(blocks * max(1, ceil(least_s / seconds)) if seconds else [])
    return Dictionary("sparse", train_on_blocks(*streams, **options), front_end, dict(SETTINGS))


@checked
def train_on_blocks(
    speech: Iterable[Batch],
    noise: Iterable[Batch],
    *,
    n_speech: int = 128,
    n_noise: int = 64,
    penalty: float = 0.3,
    random_state: int = 0,
    n_iter: int = 15,
    memory: float = 0.8,
    each: Map = map,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Train atoms of speech and noise from streams of spectrograms.

    Sparse NMF under the Kullback-Leibler divergence with L2-normalised atoms (Le Roux, Weninger and Hershey 2015), by
    mini-batches: the activations of the blocks of a batch are computed from scratch, and the statistics that the atoms
    are updated from have a forgetting factor (Lefèvre, Bach and Févotte, "Online algorithms for nonnegative matrix
    factorization with the Itakura-Saito divergence", 2011). Memory does not grow with the streams. The noise atoms are
    trained together with the speech atoms, which are kept fixed.

    Parameters
    ----------
    speech, noise : iterable of blocks or of lists of blocks
        A block is a compressed magnitude, shape (F, T), or a function without arguments that makes a list of them,
        wherever it is called; each magnitude is brought to one level. The atoms are updated after each block or list.
        Training ends with the stream: for several rounds over a corpus, the stream has to repeat it.
    n_speech, n_noise : int
        Number of atoms.
    penalty : float
        L1 penalty of the activations.
    random_state : int
        Seed of the frames that the atoms start from.
    n_iter : int
        Updates of the activations in a batch.
    memory : float
        Weight of the past at every batch, from 0 to 1.
    each : callable
        Like the built-in `map`, from :func:`nmfaudio.compute.processes.workers`; it computes the blocks.
    checkpoint : Checkpoint, optional
        The state is written to it after every batch, and read from it if there is one: training that was killed goes
        on with the result that it would have had, given the same streams again.
    progress : callable, optional
        Called after every batch with "speech" or "noise", the frames so far, and the objective per frame.

    Returns
    -------
    dict of str to ndarray
        "speech" (F, n_speech) and "noise" (F, n_noise), float32, unit L2 norm, sorted by spectral centroid.

    Raises
    ------
    NmfaudioError
        If a stream holds nothing but silence, or blocks differ in their number of bins.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> blocks = [rng.random((20, 100)).astype(np.float32) for _ in range(3)]
    >>> {name: W.shape for name, W in train_on_blocks(blocks, blocks, n_speech=5, n_noise=3).items()}
    {'speech': (20, 5), 'noise': (20, 3)}
    """
    for name, value in (("n_speech", n_speech), ("n_noise", n_noise), ("n_iter", n_iter)):
        check_count(name, value)
    check_number("penalty", penalty, 0)
    check_number("memory", memory, 0, 1)
    check_seed(random_state)
    options: dict[str, Any] = {
        "penalty": penalty,
        "n_iter": n_iter,
        "memory": memory,
        "each": each,
        "checkpoint": checkpoint,
        "progress": progress,
    }
    atoms = train_atoms("speech", speech, n_speech, rng=np.random.default_rng([random_state, 0]), **options)
    others = train_atoms("noise", noise, n_noise, atoms, rng=np.random.default_rng([random_state, 1]), **options)
    return {"speech": atoms, "noise": others}


@checked
def build_sparse(
    speech: Corpus,
    noise: Corpus,
    *,
    front_end: FrontEnd,
    random_state: int = 0,
    most_s: float = np.inf,
    each: Map = map,
    checkpoint: Path | None = None,
    progress: Callable[[float], None] = lambda part: None,
    **options: Any,
) -> Dictionary:
    """Train a sparse dictionary on all of two corpora.

    Parameters
    ----------
    speech, noise : Corpus
    front_end : FrontEnd
    random_state : int
        Seed of the order of the corpora and of the first atoms.
    most_s : float
        Largest part of a corpus that is used, in seconds, 1 or more; a corpus of less than half an hour is used several
        times.
    each : callable
        Like the built-in `map`, from :func:`nmfaudio.compute.processes.workers`; it computes blocks of the corpora.
    checkpoint : Path, optional
        File that the state is written to, and read from if it exists.
    progress : callable
        Called with the share of the work that is done, from 0 to 1.
    **options
        Options of :func:`train_on_blocks`.

    Returns
    -------
    Dictionary
        Of kind "sparse"; its record holds the hours, if there is a checkpoint, and nothing else.

    Raises
    ------
    NmfaudioError
        If a corpus is shorter than a second or silent, `most_s` is less than that, or the checkpoint is of another
        training.

    Examples
    --------
    >>> from nmfaudio import FrontEnd
    >>> def make(voices, noises):
    ...     speech, noise = Corpus(voices, 16000), Corpus(noises, 16000)
    ...     return build_sparse(speech, noise, front_end=FrontEnd(), n_speech=64, n_noise=32)
    """
    if most_s < np.inf:
        check_number("most_s", most_s, 1)
    used_s = {
        name: min(max(c.hours * 3600, LEAST_CORPUS_S), most_s) for name, c in (("speech", speech), ("noise", noise))
    }
    total_s = sum(used_s.values())

    def show(name: str, frames: int, objective: float) -> None:
        done_s = min(frames * front_end.hop_s, used_s[name]) + (used_s["speech"] if name == "noise" else 0)
        progress(done_s / total_s)

    settings = {
        "random_state": random_state,
        "front_end": asdict(front_end),
        "speech": [len(speech.files), speech.hours, used_s["speech"]],
        "noise": [len(noise.files), noise.hours, used_s["noise"]],
        **options,
    }
    state = None if checkpoint is None else Checkpoint(checkpoint, settings)
    arrays = train_on_blocks(
        corpus_batches(speech, front_end, random_state, used_s["speech"]),
        corpus_batches(noise, front_end, random_state + 1, used_s["noise"]),
        random_state=random_state,
        each=each,
        checkpoint=state,
        progress=show,
        **options,
    )
    record = {} if state is None else {"hours": state.seconds / 3600}
    return Dictionary("sparse", arrays, front_end, dict(SETTINGS), record)


def train_atoms(
    name: str,
    batches: Iterable[Batch],
    n_components: int,
    fixed: np.ndarray | None = None,
    *,
    rng: np.random.Generator,
    penalty: float = 0.3,
    n_iter: int = 15,
    memory: float = 0.8,
    each: Map = map,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Train the atoms of one source, together with `fixed` atoms if there are any; see :func:`train_on_blocks`."""
    saved = None if checkpoint is None else checkpoint.load(name)
    state = None if saved is None else _State(**saved)
    n_done = 0 if state is None else int(state.n_batches)
    for number, given in enumerate(batches):
        if number < n_done:
            continue
        if not (callable(given) or isinstance(given, (np.ndarray, Sequence))):
            raise NmfaudioError(f"{name}: a batch is a block or a sequence of blocks, not {shown(given)}")
        batch: Sequence[Block] = given if isinstance(given, Sequence) else [given]
        if state is None:
            start = _first_frames(name, batch)
            if start is None:
                continue
            state = _State.begin(random_atoms(start, n_components, rng))
        if fixed is None:
            fixed = np.empty((len(state.atoms), 0), np.float32)
        if len(state.atoms) != len(fixed):
            raise NmfaudioError(f"{name}: blocks of {len(state.atoms)} bins, but speech atoms of {len(fixed)}")
        learn = partial(block_sums, name, np.hstack([fixed, state.atoms]), fixed.shape[1], penalty, n_iter)
        frames, objective = 0, 0.0
        Q, h = np.zeros(state.A.shape), np.zeros(n_components)
        for sums in each(learn, batch):
            frames += sums.frames
            objective += sums.objective
            Q += sums.Q
            h += sums.h
        if frames:
            state.update(Q, h, penalty, memory)
        state.n_batches, state.n_frames = np.array(number + 1), state.n_frames + frames
        if checkpoint is not None:
            checkpoint.save({name: vars(state).copy()})
        if progress is not None:
            progress(name, int(state.n_frames), objective / max(frames, 1))
    if state is None:
        raise NmfaudioError(f"{name}: nothing to train on but silence")
    return np.ascontiguousarray(state.atoms[:, atom_order(state.atoms)])


@dataclass(frozen=True)
class BlockSums:
    """Sums over the frames of a block, from which the atoms are updated.

    Attributes
    ----------
    frames : int
    objective : float
    Q : ndarray, shape (F, K)
    h : ndarray, shape (K,)
    """

    frames: int
    objective: float
    Q: np.ndarray
    h: np.ndarray


def block_sums(name: str, W: np.ndarray, n_fixed: int, penalty: float, n_iter: int, block: Block) -> BlockSums:
    """Compute ``Q = (V / WH) H'`` and ``h = H 1`` of the free atoms over the frames of a block.

    See `nmfaudio.kernels.nmf.multiplicative`; for the Kullback-Leibler divergence all rows of its P are h.

    Parameters
    ----------
    name : str
        Source, for errors.
    W : ndarray, shape (F, n_fixed + K), float32
        Fixed and free atoms.
    n_fixed : int
    penalty : float
    n_iter : int
    block : Block

    Returns
    -------
    BlockSums

    Raises
    ------
    NmfaudioError
        If the block holds NaN, infinity or negative values, or has another number of bins than the atoms.
    """
    V = _sounding(name, block)
    if V.shape[1] == 0:
        return BlockSums(0, 0.0, np.zeros_like(W[:, n_fixed:]), np.zeros_like(W[0, n_fixed:]))
    if len(V) != len(W):
        raise NmfaudioError(f"{name}: a block of {len(V)} bins, but atoms of {len(W)}")
    H = np.empty((W.shape[1], V.shape[1]), np.float32)
    H[:] = V.sum(axis=0) / W.sum()
    updates = MultiplicativeUpdates(V, W, H, np.full((len(H), 1), penalty, np.float32), n_fixed=n_fixed)
    for _ in range(n_iter):
        updates.update_H()
    return BlockSums(V.shape[1], updates.objective(), updates.statistics()[0], updates.H[n_fixed:].sum(axis=1))


@dataclass
class _State:
    """Atoms, and sums over the batches so far; A is ``W * Q``, which stays when atoms change."""

    atoms: np.ndarray
    A: np.ndarray
    h: np.ndarray
    n_batches: np.ndarray
    n_frames: np.ndarray

    @classmethod
    def begin(cls, atoms: np.ndarray) -> "_State":
        return cls(atoms, np.zeros(atoms.shape), np.zeros(atoms.shape[1]), np.array(0), np.array(0))

    def update(self, Q: np.ndarray, h: np.ndarray, penalty: float, memory: float) -> None:
        """Minimise the majoriser over all batches so far, ``h w - A log w + penalty h w^2 / 2`` for each atom w."""
        floor = np.float32(np.finfo(np.float32).tiny ** 0.5)
        self.A = memory * self.A + self.atoms * Q
        self.h = memory * self.h + h
        W = self.atoms.copy()
        P = np.tile(self.h.astype(np.float32), (len(W), 1))
        c = (penalty * self.h).astype(np.float32)
        scale = np.ones((len(h), 1), np.float32)
        Q_all = (self.A / np.maximum(W, floor)).astype(np.float32)
        update_atoms(W, scale, Q_all, P, c, np.float32(1), np.float32(2), floor)
        self.atoms, self.h = W, self.h * scale[:, 0]


def _sounding(name: str, block: Block) -> np.ndarray:
    """Return the frames of a block that are not silent, each magnitude at one level, shape (F, T), float32, C order."""
    sounding: list[np.ndarray] = []
    for V in block() if callable(block) else [block]:
        if not isinstance(V, np.ndarray) or V.ndim != 2 or V.dtype.kind != "f":
            raise NmfaudioError(f"{name}: a block must be an array (F, T) of floats, not {shown(V)}")
        if not np.isfinite(V).all() or V.min(initial=0) < 0:
            raise NmfaudioError(f"{name}: a block holds NaN, infinity or negative values")
        level = V.mean(dtype=np.float64) if V.size else 0
        if level == 0:
            continue
        V = (V / level).astype(np.float32)
        sounding.append(V[:, V.mean(axis=0) > _QUIETEST])
    return np.ascontiguousarray(_joined(name, sounding)) if sounding else np.empty((0, 0), np.float32)


def _first_frames(name: str, batch: Sequence[Block]) -> np.ndarray | None:
    """Return the frames of the first blocks of a batch that are not silent; None if all are."""
    sounding = list(islice((V for V in (_sounding(name, block) for block in batch) if V.size), _START_BLOCKS))
    return _joined(name, sounding) if sounding else None


def _joined(name: str, blocks: Sequence[np.ndarray]) -> np.ndarray:
    for V in blocks:
        if len(V) != len(blocks[0]):
            raise NmfaudioError(f"{name}: a block of {len(V)} bins after blocks of {len(blocks[0])}")
    return np.concatenate(blocks, axis=1)
