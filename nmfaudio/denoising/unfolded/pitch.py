"""What of a frame repeats with the pitch of a voice, told from its spectrum alone."""

from functools import cache

import numpy as np

_LOWEST_HZ, _HIGHEST_HZ, _N_PITCHES = 76.0, 421.0, 110
_HEARD_HZ = 90.0, 4000.0  # where a pitch is looked for
_RIPPLE_HZ, _SHARE_HZ = 500.0, 375.0  # half the width that a bin is compared with, and that a share is taken over
_MOST = 2.0  # of a ripple: a single loud partial, or a tone, must not decide


@cache
def _waves(n_bins: int, max_hz: float) -> np.ndarray:
    """Cosines along frequency, one for each pitch, shape (F, P)."""
    hz = np.linspace(0, max_hz, n_bins)
    return np.cos(2 * np.pi * hz[:, None] / np.geomspace(_HIGHEST_HZ, _LOWEST_HZ, _N_PITCHES)).astype(np.float32)


def periodic_parts(V: np.ndarray, max_hz: float, mask: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Part of each bin that ripples along frequency at the pitch, and what of it lies on the partials.

    The cosine transform of a spectrum along frequency is an autocorrelation (Wiener and Khinchin), whose largest value
    tells the pitch; taken over a few bins it tells how voiced a band is, which RNNoise hears too (Valin, "A hybrid
    DSP/deep learning approach to real-time full-band speech enhancement", 2018, section 3)::

        u = min(V / mean(V) - 1, 2), mean over 500 Hz to both sides
        c = cos(2 pi f / f0), f0 with the largest sum of u c, or of mask u c, from 90 to 4000 Hz
        share = sum(u c) / sum(abs(u)), sums over 375 Hz to both sides, at least 0

    Parameters
    ----------
    V : ndarray, shape (F, N)
        Compressed magnitude.
    max_hz : float
        Frequency of the last bin.
    mask : ndarray, shape (F, N), optional
        Share of speech by the stage before: what is noise says nothing about the pitch.

    Returns
    -------
    periodic, harmonic : ndarray, shape (F, N)
        ``V share`` and ``V share (1 + c) / 2``. The pitch is that of a frame and its two neighbours.
    """
    waves = _waves(len(V), max_hz)
    hz_per_bin = max_hz / (len(V) - 1)
    tiny = np.finfo(V.dtype).tiny * 1e6
    u = np.minimum(V / np.maximum(_near(V, _RIPPLE_HZ / hz_per_bin), tiny) - 1, _MOST)
    first, last = (round(hz / hz_per_bin) for hz in _HEARD_HZ)
    heard = (u if mask is None else u * mask)[first:last]
    likeness = waves[first:last].T @ heard
    total = likeness.copy()
    total[:, 1:] += likeness[:, :-1]
    total[:, :-1] += likeness[:, 1:]
    c = waves[:, total.argmax(axis=0)]
    width = _SHARE_HZ / hz_per_bin
    periodic = V * np.clip(_near(u * c, width) / np.maximum(_near(np.abs(u), width), 1e-3), 0, 1)
    return periodic, periodic * (0.5 + 0.5 * c)


def _near(X: np.ndarray, reach: float) -> np.ndarray:
    from ...kernels.unfolded.context import means_over_bins

    out = np.empty_like(X)
    means_over_bins(np.ascontiguousarray(X), max(1, round(reach)), out)
    return out
