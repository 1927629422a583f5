"""Extension of the band: the spectrum above the cutoff from atoms that cover both sides of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import check_number, check_rate, checked
from ..audio import as_signal
from ..audio.signal import resample_blocks
from ..dictionary import Dictionary, DictionaryLike
from ..errors import NmfaudioError
from ..nmf.spatial_nmf import spatial_nmf
from ..spectra.blocks import faded
from ..spectra.front_end import magnitudes

_PENALTY = 0.4
_PIECE_VALUES = 2**21  # samples of all channels


@checked
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
    y = as_signal(y)
    band = Band(sr, cutoff_hz, dictionary=dictionary, source=source)
    extended = list(band.blocks([np.atleast_2d(y)]))
    return np.concatenate(extended, axis=1).reshape(*y.shape[:-1], -1), band.sr


class Band:
    """Extension of the band of recordings of any length; see `extend_band` for the parameters.

    A long recording is done in pieces of two million samples of all channels (24 s of stereo at 44.1 kHz) that fade
    into each other.

    Attributes
    ----------
    sr : int
        Sampling rate in Hz of what comes out.
    """

    @checked
    def __init__(
        self,
        sr: int,
        cutoff_hz: float | None = None,
        *,
        dictionary: DictionaryLike = "speech-sparse",
        source: str = "speech",
    ) -> None:
        check_rate(sr)
        if cutoff_hz is not None:
            check_number("cutoff_hz", cutoff_hz)
        dictionary = Dictionary.load(dictionary)
        if source not in dictionary.arrays or dictionary.arrays[source].ndim != 2:
            raise NmfaudioError(
                f"dictionary {dictionary.name!r} has no atoms of one frame named {source!r}: give another"
            )
        front_end = dictionary.front_end
        if sr < front_end.sr:
            passed_hz = 0.95 * sr / 2  # filters of recorders and of resampling bend what is above
            cutoff_hz = passed_hz if cutoff_hz is None else min(cutoff_hz, passed_hz)
        elif cutoff_hz is None:
            raise NmfaudioError(
                f"a recording at {sr} Hz does not show where its band ends: give the cutoff, as --band 3400 (in Python "
                "cutoff_hz=3400)"
            )
        self._sr_in, self.sr = sr, max(sr, front_end.sr)
        self._stft = replace(front_end, hop_s=front_end.window_s / 4).stft(self.sr)
        self._W, self._exponent, self._cutoff_hz = dictionary.arrays[source], front_end.exponent, cutoff_hz
        self._first = int(np.ceil(cutoff_hz * self._stft.n_fft / self.sr))
        if not 1 <= self._first < len(self._W):
            raise NmfaudioError(f"a cutoff of {cutoff_hz:g} Hz is not within the dictionary's band")

    def blocks(self, blocks: Iterable[NDArray[np.floating]]) -> Iterator[NDArray[np.floating]]:
        """Extend the band of a recording that comes in blocks, shape (channels, samples)."""
        blocks = resample_blocks(blocks, self._sr_in, self.sr)
        for block in blocks:
            size = _PIECE_VALUES // len(block)
            yield from faded(chain([block], blocks), size, min(self.sr, size // 4), self._extended)

    def _extended(self, y: NDArray[np.floating], start: int) -> NDArray[np.floating]:
        """Extend a piece, shape (channels, samples), that begins with the sample of this number."""
        stft, first, exponent = self._stft, self._first, np.float32(self._exponent)
        Y = stft(y)
        V = np.zeros((len(Y), *self._W.shape[:1], Y.shape[-1]), np.float32)
        V[:, :first] = magnitudes(Y, first, self._exponent)
        certain = np.zeros_like(V)
        certain[:, :first] = 1
        found = spatial_nmf(V, self._W[:, None], penalty=_PENALTY, weights=certain, n_iter=40)
        above = slice(first, len(self._W))
        S = found.estimate()[:, above] ** (1 / exponent)
        times = start + np.arange(y.shape[-1])
        mirror = np.cos(4 * np.pi * self._cutoff_hz / self.sr * times).astype(y.dtype)
        Y[:, above] = S * np.exp(1j * np.angle(stft(y * mirror)[:, above]))
        return stft.synthesis(Y, y.shape[-1])
