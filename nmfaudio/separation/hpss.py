"""Separation into a harmonic and a percussive part by median filters."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..audio import as_signal
from ..spectra.stft import STFT


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
    from librosa.decompose import hpss

    y = as_signal(y)
    stft = STFT.for_rate(sr, window_s=0.093, hop_s=0.02325)
    Y = stft(y)
    return {
        name: stft.synthesis(mask.astype(y.dtype) * Y, y.shape[-1])
        for name, mask in zip(("harmonic", "percussive"), hpss(np.abs(Y), mask=True), strict=True)
    }
