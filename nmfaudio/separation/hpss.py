"""Split into what sounds on and what strikes, by median filters."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..spectra.stft import STFT


def harmonic_percussive(y: ArrayLike, sr: float) -> dict[str, NDArray[np.floating]]:
    """Split a signal into its harmonic and its percussive part, which add up to it.

    The masks are those of `librosa.decompose.hpss`: FitzGerald, "Harmonic/percussive separation using median
    filtering" (2010).

    Parameters
    ----------
    y
        Signal, shape (samples,) or (channels, samples).
    sr
        Sampling rate in Hz.

    Returns
    -------
    dict of str to ndarray
        "harmonic" and "percussive", of y's shape.

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

    from ..audio import as_signal

    y = as_signal(y)
    stft = STFT.for_rate(sr, window_s=0.093, hop_s=0.02325)
    Y = stft(y)
    return {
        name: stft.synthesis(mask.astype(y.dtype) * Y, y.shape[-1])
        for name, mask in zip(("harmonic", "percussive"), hpss(np.abs(Y), mask=True), strict=True)
    }
