"""Extension of the band: the spectrum above the cutoff from atoms that cover both sides of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..audio import as_signal, resample
from ..dictionary import Dictionary, DictionaryLike
from ..errors import NmfaudioError
from ..nmf.spatial_nmf import spatial_nmf
from ..spectra.front_end import magnitudes

_PENALTY = 0.4


def extend_band(
    y: ArrayLike,
    sr: int,
    cutoff_hz: float | None = None,
    *,
    dictionary: DictionaryLike = "speech-sparse",
    source: str = "speech",
) -> tuple[NDArray[np.floating], int]:
    """Add the upper band that a telephone or a low sampling rate removed.

    Atoms of the full band are fitted to the bins below the cutoff; their values above it fill the missing bins, as in
    Bansal, Raj and Smaragdis, "Bandwidth expansion of narrowband speech using non-negative matrix factorization"
    (2005). The phases are those of the band below the cutoff, mirrored at it.

    Parameters
    ----------
    y : array_like, shape (samples,) or (channels, samples)
        Signal.
    sr : int
        Sampling rate in Hz. If it is below the dictionary's, the signal is resampled to that.
    cutoff_hz : float, optional
        End of the band in Hz. If the signal is resampled, at most 95 % of its band, and that by default.
    dictionary : str, path or Dictionary
        Dictionary with the atoms.
    source : str
        Name of the array in it.

    Returns
    -------
    y : ndarray
        Signal with the band extended; its length is the same unless it was resampled.
    sr : int
        Its sampling rate in Hz.

    Raises
    ------
    NmfaudioError
        If y is no such signal, the cutoff is missing or outside the dictionary's band, or there are no such atoms.

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
        raise NmfaudioError(f"the band of a recording at {sr} Hz cannot be read from its rate: give the cutoff")
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
