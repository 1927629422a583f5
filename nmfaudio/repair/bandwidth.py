"""A lost band: the spectrum above the cutoff from coupled atoms, which know both sides of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..audio import as_signal, resample
from ..dictionary import Dictionary
from ..errors import NmfaudioError
from ..nmf.spatial_nmf import spatial_nmf
from ..spectra.front_end import magnitudes

_PENALTY = 0.4


def extend_band(
    y: ArrayLike, sr: int, cutoff_hz: float | None = None, *, dictionary: Any = "speech-sparse", source: str = "speech"
) -> tuple[NDArray[np.floating], int]:
    """Add the band that a telephone or a low sampling rate took away.

    Atoms of the full band explain the bins below the cutoff; what they have above it comes with them, as in Bansal,
    Raj and Smaragdis, "Bandwidth expansion of narrowband speech using non-negative matrix factorization" (2005). The
    phases are those of the band below the cutoff, mirrored at it.

    Parameters
    ----------
    y : array_like
        Signal, shape (samples,) or (channels, samples).
    sr : int
        Sampling rate in Hz; what is below the dictionary's is raised to it.
    cutoff_hz : float, optional
        Where the band ends. Where the sampling rate is below the dictionary's, it is at 95 % of half of it unless given
        lower.
    dictionary : str, path or Dictionary
        Holds the atoms.
    source : str
        Which of its arrays.

    Returns
    -------
    y : ndarray
        The signal with its band extended; at the old rate, it has the old length.
    sr : int
        Its sampling rate.

    Raises
    ------
    NmfaudioError
        If the cutoff must be given and is not, or is not in the dictionary's band.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    >>> wide, sr = extend_band(y, 8000)
    >>> wide.shape, sr
    ((16000,), 16000)
    """
    dictionary = Dictionary.load(dictionary)
    front_end, y = dictionary.front_end, as_signal(y)
    if source not in dictionary.arrays or dictionary.arrays[source].ndim != 2:
        raise NmfaudioError(f"dictionary {dictionary.name!r} has no atoms of one frame named {source!r}")
    if sr < front_end.sr:
        passed_hz = 0.95 * sr / 2  # filters of recorders and of resampling bend what is above
        cutoff_hz = passed_hz if cutoff_hz is None else min(cutoff_hz, passed_hz)
        y, sr = resample(y, sr, front_end.sr), front_end.sr
    elif cutoff_hz is None:
        raise NmfaudioError(f"a recording at {sr} Hz does not say by itself where its band ends: give the cutoff")
    stft = replace(front_end, hop_s=front_end.window_s / 4).stft(sr)
    Y = stft(np.atleast_2d(y))
    W = dictionary.arrays[source]
    first = int(np.ceil(cutoff_hz * stft.n_fft / sr))
    if not 1 <= first < len(W):
        raise NmfaudioError(f"a cutoff of {cutoff_hz:g} Hz is not within the dictionary's band")
    exponent = np.float32(front_end.exponent)
    V = np.zeros((len(Y), *W.shape[:1], Y.shape[-1]), np.float32)
    V[:, :first] = magnitudes(Y, first, front_end.exponent)
    certain = np.zeros_like(V)
    certain[:, :first] = 1
    found = spatial_nmf(V, W[:, None], penalty=_PENALTY, weights=certain, n_iter=40)
    above = slice(first, len(W))
    S = found.estimate()[:, above] ** (1 / exponent)
    mirror = np.cos(4 * np.pi * cutoff_hz / sr * np.arange(y.shape[-1])).astype(y.dtype)
    Y[:, above] = S * np.exp(1j * np.angle(stft(np.atleast_2d(y) * mirror)[:, above]))
    return stft.synthesis(Y, y.shape[-1]).reshape(y.shape), sr
