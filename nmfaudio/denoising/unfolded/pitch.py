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


def periodic_parts(
    V: np.ndarray, max_hz: float, mask: np.ndarray | None = None, span: tuple[int, int] = (-1, 1)
) -> tuple[np.ndarray, np.ndarray]:
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
    span : (int, int)
        First and last frame, relative to the current one, that the pitch is estimated from.

    Returns
    -------
    periodic, harmonic : ndarray, shape (F, T)
        ``V share`` and ``V share (1 + c) / 2``.
    """
    u, likeness = _likeness(V, max_hz, mask)
    first, last = span
    n_frames, before = V.shape[1], max(0, -first)
    padded = np.pad(likeness, ((0, 0), (before, max(0, last))))
    total = np.zeros_like(likeness)
    for at in range(before + first, before + last + 1):
        total += padded[:, at : at + n_frames]
    return _parts(V, u, max_hz, total)


class PeriodicStream:
    """:func:`periodic_parts` of one frame at a time.

    Parameters
    ----------
    max_hz : float
        Frequency of the last bin.
    span : (int, int)
        As for :func:`periodic_parts`, without frames ahead.
    """

    def __init__(self, max_hz: float, span: tuple[int, int]) -> None:
        self._max_hz, self._last = max_hz, span[1]
        self._likeness = np.zeros((_N_PITCHES, 1 - span[0]), np.float32)  # of the last frames, the latest at the end

    def push(self, v: np.ndarray, mask: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return both parts of the next frame, shape (F,) each."""
        V = v[:, None]
        u, likeness = _likeness(V, self._max_hz, None if mask is None else mask[:, None])
        self._likeness = np.concatenate([self._likeness[:, 1:], likeness], axis=1)
        n_frames = self._likeness.shape[1] + self._last
        total = self._likeness[:, :n_frames].sum(axis=1, keepdims=True)
        periodic, harmonic = _parts(V, u, self._max_hz, total)
        return periodic[:, 0], harmonic[:, 0]

    def reset(self) -> None:
        """Forget all frames."""
        self._likeness[:] = 0


def _likeness(V: np.ndarray, max_hz: float, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Compute the ripple u (F, T) of a spectrum, and its sums of products with the waves, shape (P, T)."""
    hz_per_bin = max_hz / (len(V) - 1)
    tiny = np.finfo(V.dtype).tiny * 1e6
    u = np.minimum(V / np.maximum(_near(V, _RIPPLE_HZ / hz_per_bin), tiny) - 1, _MOST)
    searched = slice(*(round(hz / hz_per_bin) for hz in _SEARCHED_HZ))
    return u, _waves(len(V), max_hz)[searched].T @ (u if mask is None else u * mask)[searched]


def _parts(V: np.ndarray, u: np.ndarray, max_hz: float, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute both parts of a spectrum, at the pitch that its ripple is most like."""
    c = _waves(len(V), max_hz)[:, total.argmax(axis=0)]
    width = _SHARE_HZ * (len(V) - 1) / max_hz
    periodic = V * np.clip(_near(u * c, width) / np.maximum(_near(np.abs(u), width), 1e-3), 0, 1)
    return periodic, periodic * (0.5 + 0.5 * c)


def _near(X: np.ndarray, reach: float) -> np.ndarray:
    """Average over bins, `reach` bins to both sides."""
    out = np.empty_like(X)
    means_over_bins(np.ascontiguousarray(X), max(1, round(reach)), out)
    return out
