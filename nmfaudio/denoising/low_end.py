"""Keep offset and rumble below hearing out of the analysis."""

import numpy as np

from ..kernels.low_end import split_low_end

_SETTLED_S = 2.0  # time constant of the offset: a high-pass filter at 0.08 Hz, far below any sound
_RUMBLE_HZ = 20.0
_QUALITIES = 0.54119610, 1.30656296  # of the biquads of a Butterworth filter of fourth order


class LowEnd:
    """Split a signal into what is cleaned and what is analysed, block by block.

    An offset, or rumble below 20 Hz, leaks into all bins of short frames, where it is taken for noise. The offset is
    removed for good. Rumble stays, but a high-pass filter keeps it out of the spectra that the mask is computed from:
    these are magnitudes, so the filter's phase does not matter.

    Parameters
    ----------
    sr : float
        Sampling rate in Hz.
    n_channels : int
        Channels, C.
    n_begin : int
        Samples whose mean is the offset to begin with. The first block has them; if the signal is shorter, silence
        takes the place of the rest.
    """

    def __init__(self, sr: float, n_channels: int, n_begin: int) -> None:
        k = np.tan(np.pi * min(_RUMBLE_HZ / sr, 0.25))
        sections = []
        for q in _QUALITIES:
            norm = 1 + k / q + k * k
            sections.append((1 / norm, -2 / norm, 1 / norm, 2 * (k * k - 1) / norm, (1 - k / q + k * k) / norm))
        self._sections = np.array(sections)
        self._slowest = 1 / max(1.0, _SETTLED_S * sr)
        self._n_begin = n_begin
        self._state = np.zeros((n_channels, 2 + 2 * len(sections)))

    def push(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Take the next block of samples.

        Parameters
        ----------
        y : ndarray, shape (C, samples)
            Signal.

        Returns
        -------
        x : ndarray, shape (C, samples), float32
            The signal without its offset.
        analysed : ndarray, shape (C, samples), float32
            The signal without offset and rumble.
        """
        y = np.ascontiguousarray(y, np.float32)
        if not self._state[0, 0]:
            self._state[:, 0] = self._n_begin
            self._state[:, 1] = y[:, : self._n_begin].sum(axis=1, dtype=np.float64) / self._n_begin
        x, analysed = np.empty_like(y), np.empty_like(y)
        split_low_end(y, self._slowest, self._sections, self._state, x, analysed)
        return x, analysed

    def reset(self) -> None:
        """Forget the past."""
        self._state[:] = 0
