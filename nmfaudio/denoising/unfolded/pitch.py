"""Split a spectrum into a pitch-periodic (voiced) part and the rest."""

from functools import cache

import numpy as np

from ...kernels.unfolded.context import means_over_bins

_LOWEST_HZ, _HIGHEST_HZ, _N_PITCHES = 76.0, 421.0, 110
_SEARCHED_HZ = 90.0, 4000.0  # bins that the pitch is estimated from
_RIPPLE_HZ, _SHARE_HZ = 500.0, 375.0  # half the widths of the two averages over bins
_MOST = 2.0  # largest ripple: a single loud harmonic, or a tone, must not decide


@cache
def _waves(n_bins: int, max_hz: float) -> np.ndarray:
    """Cosines along frequency, one for each pitch, shape (F, P)."""
    hz = np.linspace(0, max_hz, n_bins)
    return np.cos(2 * np.pi * hz[:, None] / np.geomspace(_HIGHEST_HZ, _LOWEST_HZ, _N_PITCHES)).astype(np.float32)


def periodic_parts(V: np.ndarray, max_hz: float, mask: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Compute the voiced part of each bin, and the part of it that lies on the harmonics.

    The cosine transform of a spectrum along frequency is an autocorrelation (Wiener and Khinchin). Its largest value
    gives the pitch; over a few bins it measures how voiced a band is. RNNoise uses that as a feature too (Valin, "A
    hybrid DSP/deep learning approach to real-time full-band speech enhancement", 2018, section 3)::

        u = min(V / mean(V) - 1, 2), mean over 500 Hz to both sides
        c = cos(2 pi f / f0), f0 with the largest sum of u c, or of mask u c, from 90 to 4000 Hz
        share = sum(u c) / sum(abs(u)), sums over 375 Hz to both sides, at least 0

    Parameters
    ----------
    V : ndarray, shape (F, T)
        Compressed magnitude.
    max_hz : float
        Frequency of the last bin.
    mask : ndarray, shape (F, T), optional
        Share of speech by the stage before: bins of noise do not count for the pitch.

    Returns
    -------
    periodic, harmonic : ndarray, shape (F, T)
        ``V share`` and ``V share (1 + c) / 2``. The pitch is that of a frame and its two neighbours.
    """
    waves = _waves(len(V), max_hz)
    hz_per_bin = max_hz / (len(V) - 1)
    tiny = np.finfo(V.dtype).tiny * 1e6
    u = np.minimum(V / np.maximum(_near(V, _RIPPLE_HZ / hz_per_bin), tiny) - 1, _MOST)
    first, last = (round(hz / hz_per_bin) for hz in _SEARCHED_HZ)
    ripple = (u if mask is None else u * mask)[first:last]
    likeness = waves[first:last].T @ ripple
    total = likeness.copy()
    total[:, 1:] += likeness[:, :-1]
    total[:, :-1] += likeness[:, 1:]
    c = waves[:, total.argmax(axis=0)]
    width = _SHARE_HZ / hz_per_bin
    periodic = V * np.clip(_near(u * c, width) / np.maximum(_near(np.abs(u), width), 1e-3), 0, 1)
    return periodic, periodic * (0.5 + 0.5 * c)


def _near(X: np.ndarray, reach: float) -> np.ndarray:
    """Average over bins, `reach` bins to both sides."""
    out = np.empty_like(X)
    means_over_bins(np.ascontiguousarray(X), max(1, round(reach)), out)
    return out
