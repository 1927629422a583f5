"""The band above the one that a dictionary knows: a Wiener gain against the noise heard there between words."""

from dataclasses import dataclass

import numpy as np

_SMOOTH_BINS, _SMOOTH_FRAMES = 17, 3  # half a kilohertz, 50 ms
_ABSENT = np.float32(0.05)  # share of speech at the top of the known band below which there is none above it
_LEAST_SHARE = np.float32(1e-3)
_FLOOR = np.float32(0.15)


@dataclass(frozen=True)
class HighBand:
    """Gain above the modelled band from what the mask below says and what is heard above.

    Consonants raise the whole upper spectrum at once, so that the highest octave that the dictionary knows tells
    when there is speech above it; how loud the noise is there, the recording itself tells at the other times.

    Parameters
    ----------
    past, future : int
        Frames over which the noise is averaged.
    """

    past: int
    future: int

    @classmethod
    def looking(cls, ahead: bool) -> "HighBand":
        """Over 2.6 s around a frame, or before it."""
        return cls(80, 80) if ahead else cls(160, 0)

    def __call__(self, power: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Gain of each bin above the modelled band.

        The noise is ``sum(w P) / sum(w)`` with ``w = (1 - m)**2``, m being the mean of the mask over its top quarter;
        the gain is the Wiener filter ``1 - N / P`` with P smoothed, and fades out where m says that nobody speaks.

        Parameters
        ----------
        power : ndarray, shape (B, N)
            Squared magnitudes above the modelled band.
        mask : ndarray, shape (F, N)
            Share of speech in the bins of the modelled band.

        Returns
        -------
        ndarray, shape (B, N), float32
            Between 0 and 1.
        """
        from scipy.ndimage import uniform_filter1d

        top = _top(mask)
        absent = (1 - top) ** 2
        smooth = _over_bins(power)
        shift = 0 if self.future else _SMOOTH_FRAMES // 2
        smooth = uniform_filter1d(smooth, _SMOOTH_FRAMES, axis=1, mode="constant", origin=shift)
        return _gain(self._mean(absent * power), self._mean(absent), smooth, top)

    def _mean(self, X: np.ndarray) -> np.ndarray:
        from scipy.ndimage import uniform_filter1d

        width = self.past + 1 + self.future
        return uniform_filter1d(X, width, axis=1, mode="constant", origin=self.past - width // 2)


class HighBandStream:
    """Twin of a `HighBand` that does not look ahead, one frame at a time."""

    def __init__(self, high_band: HighBand, n_bins: int):
        n = high_band.past + 1
        self._absent, self._noise = np.zeros((n, 1), np.float32), np.zeros((n, n_bins), np.float32)
        self._smooth = np.zeros((_SMOOTH_FRAMES, n_bins), np.float32)
        self._count = 0

    def push(self, power: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Gain of a frame, shape (B,), from its power above the modelled band, shape (B,), and its mask below, (F,)."""
        top = _top(mask[:, None])[0]
        at = self._count % len(self._absent)
        self._absent[at] = (1 - top) ** 2
        self._noise[at] = self._absent[at] * power
        self._smooth[self._count % _SMOOTH_FRAMES] = _over_bins(power)
        self._count += 1
        means = (x.mean(axis=0, dtype=np.float64) for x in (self._noise, self._absent, self._smooth))
        return _gain(*means, top).astype(np.float32)

    def reset(self) -> None:
        """Forget all that was heard."""
        for history in (self._absent, self._noise, self._smooth):
            history[:] = 0
        self._count = 0


def _top(mask: np.ndarray) -> np.ndarray:
    return mask[-(len(mask) // 4) :].mean(axis=0, keepdims=True)


def _over_bins(power: np.ndarray) -> np.ndarray:
    from scipy.ndimage import uniform_filter1d

    return uniform_filter1d(power, _SMOOTH_BINS, axis=0, mode="nearest")


def _gain(noise: np.ndarray, absent: np.ndarray, smooth: np.ndarray, top: np.ndarray) -> np.ndarray:
    wiener = 1 - noise / (absent + _LEAST_SHARE) / np.maximum(smooth, np.finfo(np.float32).tiny)
    return np.maximum(wiener, _FLOOR) * np.minimum(top / _ABSENT, 1)
