"""Training of the atoms of one source on recordings of it alone."""

from collections.abc import Iterable

import numpy as np

from ..arguments import check_count, check_number, check_seed, checked, shown
from ..audio import as_signal
from ..dictionary import Dictionary
from ..errors import NmfaudioError
from ..nmf.atom_order import atom_order
from ..nmf.spatial_nmf import spatial_nmf
from ..spectra.front_end import FrontEnd
from ..spectra.stft import STFT


@checked
def train_dictionary(
    name: str,
    recordings: Iterable[np.ndarray],
    sr: int,
    *,
    n_components: int = 80,
    n_taps: int = 1,
    penalty: float = 0.2,
    window_s: float = 0.064,
    random_state: int = 0,
) -> Dictionary:
    """Train a dictionary of one source for `nmfaudio.separation.Separator`.

    Parameters
    ----------
    name : str
        Name of the source.
    recordings : iterable of ndarray, shape (samples,)
        Recordings of the source alone; float, or integers that are scaled to full scale 1. Each is brought to one
        level. Their spectrograms are kept in memory.
    sr : int
        Sampling rate in Hz.
    n_components, n_taps, penalty, random_state
        As for `source_atoms`.
    window_s : float
        Duration of a frame in seconds; frames overlap by three quarters.

    Returns
    -------
    Dictionary
        Of kind "sources".

    Raises
    ------
    NmfaudioError
        If all recordings are silent, or one is no such signal.

    Examples
    --------
    >>> import numpy as np
    >>> solo = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    >>> train_dictionary("hiss", [solo], 8000, n_components=2).arrays["hiss"].shape
    (257, 2)
    """
    check_number("window_s", window_s, 1e-4, 10, unit=" s")
    n_bins = STFT.for_rate(sr, window_s, window_s / 4).n_bins
    front_end = FrontEnd(sr, window_s, window_s / 4, n_bins=n_bins, exponent=1.0)
    spectrograms = (front_end.spectrogram(as_signal(y), sr) for y in recordings)
    atoms = source_atoms(
        spectrograms, n_components=n_components, n_taps=n_taps, penalty=penalty, random_state=random_state
    )
    return Dictionary("sources", {name: atoms}, front_end)


@checked
def source_atoms(
    blocks: Iterable[np.ndarray],
    *,
    n_components: int = 80,
    n_taps: int = 1,
    penalty: float = 0.2,
    n_iter: int = 60,
    random_state: int = 0,
) -> np.ndarray:
    """Train the atoms of a source on all spectrograms at once; an atom may last several frames.

    Parameters
    ----------
    blocks : iterable of ndarray, shape (F, n)
        Compressed magnitudes; each block is brought to one level. They are kept in memory.
    n_components : int
        Number of atoms, K.
    n_taps : int
        Frames of an atom, T; more than 1 suits sounds that are always the same, such as drums.
    penalty : float
        L1 penalty of the activations: 1 for voices.
    n_iter : int
        Largest number of iterations.
    random_state : int
        Seed of the patches that the atoms start from.

    Returns
    -------
    ndarray
        Shape (F, K), or (F, T, K) for more than one frame; unit L2 norm, sorted by spectral centroid.

    Raises
    ------
    NmfaudioError
        If all blocks are silent, one holds NaN, infinity or negative values, or they differ in their number of bins.

    Examples
    --------
    >>> import numpy as np
    >>> blocks = [np.random.default_rng(0).random((20, 100), np.float32)]
    >>> source_atoms(blocks, n_components=3, n_taps=4, n_iter=2).shape
    (20, 4, 3)
    """
    check_count("n_components", n_components)
    check_count("n_taps", n_taps)
    check_count("n_iter", n_iter)
    check_number("penalty", penalty, 0)
    check_seed(random_state)
    blocks = list(blocks)
    for block in blocks:
        if not isinstance(block, np.ndarray) or block.ndim != 2 or block.dtype.kind != "f":
            raise NmfaudioError(f"a block must be an array (F, n) of floats, not {shown(block)}")
        if not np.isfinite(block).all() or block.min(initial=0) < 0:
            raise NmfaudioError("a block holds NaN, infinity or negative values")
        if len(block) != len(blocks[0]):
            raise NmfaudioError(f"a block of {len(block)} bins after blocks of {len(blocks[0])}")
    levelled = [block / block.mean() for block in blocks if block.any()]
    if not levelled:
        raise NmfaudioError("nothing to train on but silence")
    V = np.concatenate(levelled, axis=1)[None]
    W = spatial_nmf(V, n_free=n_components, n_taps=n_taps, penalty=penalty, n_iter=n_iter, random_state=random_state).W
    W = W[..., atom_order(W.sum(axis=1))]
    return np.ascontiguousarray(W[:, 0] if n_taps == 1 else W)
