"""Separation into a harmonic and a percussive part by median filters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import checked
from ..audio import as_signal
from ..spectra.blocks import BlockSpectra, overlap_add, windows
from ..spectra.stft import STFT

PARTS = "harmonic", "percussive"

_WINDOW_S, _HOP_S = 0.093, 0.02325
_REACH = 15  # frames and bins on either side in a median


@checked
def harmonic_percussive(y: ArrayLike, sr: float) -> dict[str, NDArray[np.floating]]:
    """Split a signal into a harmonic and a percussive part, which add up to it.

    The masks are those of `librosa.decompose.hpss` (FitzGerald, "Harmonic/percussive separation using median
    filtering", 2010), on frames of 93 ms at any sampling rate.

    Parameters
    ----------
    y : array_like, shape (samples,) or (channels, samples)
        Signal; float, or integers that are scaled to full scale 1.
    sr : float
        Sampling rate in Hz; any.

    Returns
    -------
    dict of str to ndarray
        "harmonic" and "percussive", of y's shape.

    Raises
    ------
    AudioError
        If y is no such signal, or holds NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(0.1 * np.arange(16000))
    >>> y[::4000] += 1
    >>> parts = harmonic_percussive(y, 16000)
    >>> bool(np.allclose(parts["harmonic"] + parts["percussive"], y))
    True
    >>> int(parts["percussive"].argmax()) % 4000
    0
    """
    y = as_signal(y)
    stft = STFT.for_rate(sr, _WINDOW_S, _HOP_S)
    return dict(zip(PARTS, (stft.synthesis(part, y.shape[-1]) for part in _parts(stft(y))), strict=True))


def harmonic_percussive_blocks(
    blocks: Iterable[NDArray[np.floating]], sr: float
) -> Iterator[dict[str, NDArray[np.floating]]]:
    """Split a signal of any length in constant memory, with the result of `harmonic_percussive`.

    Parameters
    ----------
    blocks : iterable of ndarray, shape (channels, samples)
        The signal in order, float32, in blocks of any length.
    sr : float
        Sampling rate in Hz.

    Yields
    ------
    dict of str to ndarray, shape (channels, samples)
        "harmonic" and "percussive", in blocks of other lengths.
    """
    stft = STFT.for_rate(sr, _WINDOW_S, _HOP_S)
    spectra = BlockSpectra(stft, blocks)
    around = windows(((Y,) for Y in spectra), _REACH, _REACH)
    parts = (np.concatenate(_parts(Y, now)) for (Y,), now in around)
    for y in overlap_add(stft, parts, lambda: spectra.n_samples):
        yield dict(zip(PARTS, np.split(y, 2), strict=True))


def _parts(
    Y: NDArray[np.complexfloating], now: slice = slice(None)
) -> tuple[NDArray[np.complexfloating], NDArray[np.complexfloating]]:
    """Harmonic and percussive part of some frames of a spectrum."""
    from librosa.decompose import hpss

    harmonic, percussive = hpss(np.abs(Y), kernel_size=2 * _REACH + 1, mask=True)
    Y = Y[..., now]
    return harmonic[..., now].astype(Y.real.dtype) * Y, percussive[..., now].astype(Y.real.dtype) * Y
