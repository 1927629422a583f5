"""Repair of holes in the spectrogram: magnitudes by NMF with missing entries, phases by Griffin and Lim."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import check_seed, checked
from ..audio import as_signal
from ..errors import NmfaudioError
from ..nmf.spatial_nmf import spatial_nmf
from ..spectra.blocks import Frames, mended
from ..spectra.phase import griffin_lim
from ..spectra.regions import region
from ..spectra.stft import STFT

_WINDOW_S, _HOP_S = 0.064, 0.016
_N_COMPONENTS, _PENALTY, _EXPONENT = 30, 0.1, 0.5
_N_STEPS = 30
_PIECE_VALUES, _MARGIN_S = 3 * 2**19, 2.0  # samples of all channels: at 44.1 kHz 36 s of one or 18 s of two


@checked
def fill_regions(
    y: ArrayLike, sr: float, regions: Iterable[Sequence[float]], *, random_state: int = 0
) -> NDArray[np.floating]:
    """Fill holes in the spectrogram from a model of the rest of the recording.

    An NMF is fitted to the entries outside the holes; its values inside are the new magnitudes. Their phases are
    chosen so that overlapping frames agree (Griffin and Lim); samples that no frame of a hole reaches stay as they are.
    The rest of a long recording is the piece around the hole, of 1.5 million samples of all channels (18 s of stereo
    at 44.1 kHz), or longer if the hole is.

    Parameters
    ----------
    y : array_like, shape (samples,) or (channels, samples)
        Signal.
    sr : float
        Sampling rate in Hz.
    regions : iterable of sequence of float
        Holes, each (start_s, stop_s) or (start_s, stop_s, low_hz, high_hz).
    random_state : int
        Seed of the NMF and of the phases.

    Returns
    -------
    ndarray, shape of y

    Raises
    ------
    NmfaudioError
        If y is no such signal, a region is no range or outside the recording, or nothing is left outside the holes.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(0.5 * np.arange(16000)) + np.sin(0.9 * np.arange(16000))
    >>> filled = fill_regions(y, 8000, [(0.5, 0.6, 1000, 1500)])
    >>> filled.shape
    (16000,)
    """
    check_seed(random_state)
    y = as_signal(y)
    regions = list(regions)
    check_regions(regions, y.shape[-1], sr)
    filled = [piece for piece, *_ in filled_blocks([(np.atleast_2d(y),)], sr, regions, random_state=random_state)]
    return np.concatenate(filled, axis=1).reshape(y.shape) if filled else y.copy()


def check_regions(regions: Iterable[Sequence[float]], length: int, sr: float) -> None:
    """Refuse holes that are none, or not in a recording of `length` samples.

    Raises
    ------
    NmfaudioError
        If a region is no range, or holds no bin of any frame.
    """
    stft = STFT.for_rate(sr, _WINDOW_S, _HOP_S)
    for numbers in regions:
        if not all(part.any() for part in region(numbers, stft, length, sr)):
            end_s, frame_s, bin_hz = length / sr, stft.hop_length / sr, sr / stft.n_fft
            raise NmfaudioError(
                f"nothing to fill in {list(numbers)}: the recording ends at {end_s:g} s and {sr / 2:g} Hz, "
                f"and a hole has at least {frame_s:.3g} s and {bin_hz:.3g} Hz"
            )


def filled_blocks(
    chunks: Iterable[Frames], sr: float, regions: Sequence[Sequence[float]], *, random_state: int = 0
) -> Iterator[Frames]:
    """Fill holes in the spectrogram of a recording of any length, as `fill_regions` does in one piece.

    Parameters
    ----------
    chunks : iterable of tuple (y, ...)
        The recording in blocks: samples (channels, n), and any other arrays (..., n) of it.
    sr, regions, random_state
        As for `fill_regions`.

    Yields
    ------
    tuple (y, near, ...)
        The same of other lengths, with a mask (1, n) of the samples at the holes. The others are as they were.

    Raises
    ------
    NmfaudioError
        If a hole leaves nothing of the piece that it lies in.
    """
    stft = STFT.for_rate(sr, _WINDOW_S, _HOP_S)

    def fill_piece(y: NDArray[np.floating], near: NDArray[np.bool_], first: int) -> NDArray[np.floating]:
        Y = stft(y)
        holes = np.zeros(Y.shape[1:], bool)
        for numbers in regions:
            holes |= np.outer(*region(numbers, stft, y.shape[-1], sr, first))
        if holes.all():
            raise NmfaudioError("the holes leave nothing of the spectrogram to fill them from: give smaller ones")
        return fill(Y, np.broadcast_to(holes, Y.shape), stft, y.shape[-1], random_state)

    def marked(chunks: Iterable[Frames]) -> Iterator[Frames]:
        first = 0
        for y, *others in chunks:
            times_s = (first + np.arange(y.shape[-1])) / sr
            near = np.zeros((1, y.shape[-1]), bool)
            for start_s, stop_s, *_ in regions:
                near |= (times_s >= start_s - _WINDOW_S) & (times_s < stop_s + _WINDOW_S)
            first += y.shape[-1]
            yield y, near, *others

    chunks = iter(chunks)
    beginning = list(islice(chunks, 1))
    for chunk in beginning:
        size, margin = (
            math.ceil(n / stft.hop_length) * stft.hop_length for n in (_PIECE_VALUES / len(chunk[0]), _MARGIN_S * sr)
        )
        yield from mended(marked(chain(beginning, chunks)), size, margin, fill_piece, stft.hop_length)


def fill(
    Y: NDArray[np.complexfloating], holes: NDArray[np.bool_], stft: STFT, length: int, random_state: int
) -> NDArray[np.floating]:
    """Fill the holes of a spectrum and transform it back.

    Parameters
    ----------
    Y : ndarray, shape (C, F, N)
        Spectrum; its values in the holes are ignored.
    holes : ndarray of bool, shape (C, F, N)
        True for entries to fill.
    stft : STFT
        Transform of the spectrum.
    length : int
        Samples of the signal.
    random_state : int
        Seed of the NMF and of the phases.

    Returns
    -------
    ndarray, shape (C, length)
    """
    dtype = Y.real.dtype
    V = np.where(holes, 0, np.abs(Y)) ** dtype.type(_EXPONENT)
    certain = (~holes).astype(dtype)
    found = spatial_nmf(V, n_free=_N_COMPONENTS, penalty=_PENALTY, weights=certain, random_state=random_state)
    magnitudes = found.estimate() ** dtype.type(1 / _EXPONENT)
    turns = np.exp(2j * np.pi * np.random.default_rng(random_state).random(Y.shape, dtype))
    X = np.where(holes, magnitudes * turns, Y).astype(Y.dtype)
    return griffin_lim(magnitudes, X, stft, length, _N_STEPS, fixed=~holes)
