"""Training of sparse dictionaries: atoms of speech, then atoms of the noise that speech cannot explain."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import numpy as np

from ..errors import NmfaudioError
from ..factorize.sparse import random_atoms

Progress = Callable[[str, int, float], None]


def train_sparse(
    speech: Iterable[np.ndarray],
    noise: Iterable[np.ndarray],
    *,
    n_speech: int = 128,
    n_noise: int = 64,
    penalty: float = 0.3,
    seed: int = 0,
    batch_frames: int = 1024,
    n_iter: int = 15,
    memory: float = 0.8,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Train atoms of speech and noise from streams of spectrogram blocks.

    Sparse NMF under the Kullback-Leibler divergence with L2-normalised atoms (Le Roux, Weninger and Hershey 2015), by
    mini-batches: the activations of a batch are found from scratch, and the statistics that the atoms are updated from
    are kept with a forgetting factor (Lefèvre, Bach and Févotte, "Online algorithms for nonnegative matrix
    factorization with the Itakura-Saito divergence", 2011). Memory does not grow with the streams. The noise atoms are
    trained beside the speech atoms, which stay as they are.

    Parameters
    ----------
    speech, noise : iterable of ndarray, shape (F, N)
        Compressed magnitudes; each block is brought to one level. Training ends with the stream, so several rounds
        over a corpus, in random order, are the caller's.
    n_speech, n_noise : int
        Number of atoms.
    penalty : float
        L1 penalty of the activations.
    seed : int
        Chooses the frames that the atoms start from.
    batch_frames : int
        Frames of a batch.
    n_iter : int
        Updates of the activations in a batch.
    memory : float
        Weight of the past at every batch, from 0 to 1.
    progress : callable, optional
        Called after every batch with "speech" or "noise", the frames seen so far, and the objective a frame.

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
    >>> {name: W.shape for name, W in train_sparse(blocks, blocks, n_speech=5, n_noise=3).items()}
    {'speech': (20, 5), 'noise': (20, 3)}
    """
    rng = np.random.default_rng(seed)
    options = (penalty, rng, batch_frames, n_iter, memory, progress)
    atoms = _train("speech", speech, n_speech, None, *options)
    return {"speech": atoms, "noise": _train("noise", noise, n_noise, atoms, *options)}


def _train(
    name: str,
    blocks: Iterable[np.ndarray],
    n_atoms: int,
    fixed: np.ndarray | None,
    penalty: float,
    rng: np.random.Generator,
    batch_frames: int,
    n_iter: int,
    memory: float,
    progress: Progress | None,
) -> np.ndarray:
    from ..kernels.multiplicative import MultiplicativeUpdates, update_atoms

    batches = _batches(name, blocks, batch_frames)
    first = next(batches, None)
    if first is None:
        raise NmfaudioError(f"{name}: nothing to train on but silence")
    if fixed is None:
        fixed = np.empty((len(first), 0), np.float32)
    if len(first) != len(fixed):
        raise NmfaudioError(f"{name}: blocks of {len(first)} bins, but speech atoms of {len(fixed)}")
    n_fixed = fixed.shape[1]
    W = np.hstack([fixed, random_atoms(first, n_atoms, rng)])
    free = W[:, n_fixed:]
    mu = np.full((W.shape[1], 1), penalty, np.float32)
    A, P, c = np.zeros_like(free), np.zeros_like(free), np.zeros(n_atoms, np.float32)
    one, two, n_seen = np.float32(1), np.float32(2), 0
    for V in chain([first], batches):
        H = np.empty((len(mu), V.shape[1]), np.float32)
        H[:] = V.sum(axis=0) / W.sum()
        updates = MultiplicativeUpdates(V, W, H, mu, n_fixed=n_fixed)
        for _ in range(n_iter):
            updates.update_H()
        n_seen += V.shape[1]
        if progress is not None:
            progress(name, n_seen, updates.objective() / V.shape[1])

        # The majoriser of all batches so far is P w - A log w + c w^2 / 2, with A = w Q.
        Q_batch, P_batch = updates.statistics()
        A = memory * A + free * Q_batch
        P = memory * P + P_batch
        c = memory * c + updates.penalties()[n_fixed:]
        scale = np.ones((n_atoms, 1), np.float32)
        update_atoms(free, scale, A / np.maximum(free, updates.floor), P, c, one, two, updates.floor)
        P *= scale[:, 0]
        c *= scale[:, 0]
    return _sorted_by_centroid(free)


def _sorted_by_centroid(W: np.ndarray) -> np.ndarray:
    """Atoms in the order of their spectral centroids, low ones first; contiguous."""
    centroid = np.arange(len(W)) @ W / W.sum(axis=0)
    return np.ascontiguousarray(W[:, np.argsort(centroid)])


def _batches(name: str, blocks: Iterable[np.ndarray], batch_frames: int) -> Iterator[np.ndarray]:
    """Gather blocks, brought to one level and without silent frames, to batches of shape (F, batch_frames)."""
    waiting: list[np.ndarray] = []
    n_waiting = 0
    for block in blocks:
        if not np.isfinite(block).all() or block.min(initial=0) < 0:
            raise NmfaudioError(f"{name}: a block holds NaN, infinity or negative values")
        level = block.mean(dtype=np.float64) if block.size else 0
        if level == 0:
            continue
        block = (block / level).astype(np.float32)
        block = block[:, block.mean(axis=0) > 0.05]
        if waiting and len(block) != len(waiting[0]):
            raise NmfaudioError(f"{name}: a block of {len(block)} bins after blocks of {len(waiting[0])}")
        waiting.append(block)
        n_waiting += block.shape[1]
        while n_waiting >= batch_frames:
            together = np.concatenate(waiting, axis=1)
            yield np.ascontiguousarray(together[:, :batch_frames])
            waiting, n_waiting = [together[:, batch_frames:]], n_waiting - batch_frames
    if n_waiting:
        yield np.ascontiguousarray(np.concatenate(waiting, axis=1))
