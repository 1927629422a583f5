"""Take out hum: lines of the spectrum that do not change over seconds."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..spectra.blocks import BlockSpectra, overlap_add, windows
from ..spectra.stft import STFT

_HOP_S = 1.0  # half of a window
_AROUND = 4  # frames before and after that a line goes through
_LEAST_FRAMES = 6
_TOP_HZ = 1600.0
_LOW_HZ = 30.0
_STEADY = 0.25  # quantile of the levels over time: a voice comes and goes, a hum stays
_NEAR = 24  # bins around one that a line stands out from
_STANDS_OUT = 4.0
_REACH = 8  # bins to both sides that a line leaks into
_SURPLUS = 1.3  # levels waver


def lines_apart(blocks: Iterable[np.ndarray], sr: float) -> Iterator[np.ndarray]:
    """Part a recording from its steady lines below 1.6 kHz, such as mains hum and its harmonics.

    Frames of two seconds tell a hum from the partials of a voice, which move. The level q of a bin is a low quantile
    of its magnitudes over nine frames. A line is a peak of q that stands out from the bins around it; in its bins the
    magnitude is lowered by q (spectral subtraction; Boll 1979).

    Parameters
    ----------
    blocks : iterable of ndarray, shape (channels, samples), float32
        The recording in order; a short one, of less than six seconds, is left as it is.
    sr : float
        Sampling rate in Hz.

    Yields
    ------
    ndarray, shape (2, channels, samples)
        The recording without its lines, and the lines; their sum is the recording.
    """
    hop = round(_HOP_S * sr)
    stft = STFT(2 * hop, hop)
    bin_hz = sr / stft.n_fft
    low, top = round(_LOW_HZ / bin_hz), min(round(_TOP_HZ / bin_hz), stft.n_bins)
    spectra = BlockSpectra(stft, blocks)

    def apart() -> Iterator[np.ndarray]:
        frames = ((Y, np.abs(Y[..., low:top, :]).mean(axis=0)) for Y in spectra)
        for (Y, A), now in windows(frames, _AROUND, _AROUND):
            rest = Y[..., now].copy()
            lines = np.zeros_like(rest)
            lines[..., low:top, :] = rest[..., low:top, :] * _shares(A, now)
            yield np.concatenate([rest - lines, lines])

    for y in overlap_add(stft, apart(), lambda: spectra.n_samples):
        yield y.reshape(2, -1, y.shape[1])


def _shares(A: np.ndarray, now: slice) -> np.ndarray:
    """Return the share of lines in each bin of some of the frames of the magnitudes A, shape (bins, T)."""
    shares = []
    for t in range(*now.indices(A.shape[1])):
        near = A[:, max(0, t - _AROUND) : t + _AROUND + 1]
        q = np.quantile(near, _STEADY, axis=1) if near.shape[1] >= _LEAST_FRAMES else np.zeros(len(A))
        floor = np.median(_around(q, _NEAR), axis=-1)
        lines = (q > _STANDS_OUT * floor) & (q == _around(q, _REACH).max(axis=-1))
        inside = _around(lines, _REACH).any(axis=-1)
        shares.append(np.where(inside, np.minimum(_SURPLUS * q / np.maximum(A[:, t], 1e-30), 1), 0))
    return np.array(shares, np.float32).T


def _around(x: np.ndarray, reach: int) -> np.ndarray:
    """Return the values around each one, shape (n, 2 reach + 1); the outermost go on beyond the ends."""
    return sliding_window_view(np.pad(x, reach, mode="edge"), 2 * reach + 1)
