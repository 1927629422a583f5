"""Tell recordings that are mostly music, which denoising harms."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

MOSTLY = 0.2
"""Share of music in a recording from which on it is mostly music."""

_WINDOW_S, _HOP_S = 0.128, 0.032
_LOWEST_HZ, _HIGHEST_HZ = 150, 2500
_AROUND = 31  # bins that a partial stands out of
_ABOVE_DB = 10.0  # their mean level
_HELD, _HUM = 10, 90  # frames: a voice glides sooner, a note ends sooner
_PARTIALS = 3
_QUIET = 1e-4  # of the loud frames' power
_PIECE_S, _LEAST_S = 10.0, 5.0
_PERIOD = 6  # pieces of a minute
_MUCH_DB = 3.0


def is_harmed(share: float, lowered_db: float | None) -> bool:
    """Tell whether denoising took much off what is mostly music: `lowered_db` of it, None if that is not known."""
    return share >= MOSTLY and lowered_db is not None and lowered_db >= _MUCH_DB


class MusicMeter:
    """Share of music in a recording that comes in blocks: of the time in which three partials and more are held.

    The partials of notes stay where they are for a third of a second and more, those of a voice glide. Hums, which
    never end, are no notes. Drums alone are not found. Of a long recording 10 s of each minute are looked at.

    Parameters
    ----------
    sr : float
        Sampling rate in Hz.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.denoising.music import MusicMeter
    >>> meter = MusicMeter(16000)
    >>> meter.push(np.random.default_rng(0).standard_normal((1, 80000)))
    >>> meter.share
    0.0
    """

    def __init__(self, sr: float) -> None:
        self._window, self._hop = round(_WINDOW_S * sr), round(_HOP_S * sr)
        self._piece, self._least = round(_PIECE_S * sr), round(_LEAST_S * sr)
        self._bins = slice(round(_LOWEST_HZ * _WINDOW_S), round(_HIGHEST_HZ * _WINDOW_S))
        self._held: list[NDArray[np.floating]] = []  # blocks of the present piece, one channel
        self._pieces, self._place = 0, 0  # pieces that are complete, and samples of the present one
        self._musical, self._active = 0, 0

    def push(self, y: NDArray[np.floating]) -> None:
        """Take the next block, shape (channels, samples)."""
        while y.shape[1]:
            part, y = np.split(y, [self._piece - self._place], axis=1)
            if self._pieces < _PERIOD or self._pieces % _PERIOD == 0:  # the first minute, and 10 s of each later one
                self._held.append(part.mean(axis=0))
            self._place += part.shape[1]
            if self._place == self._piece:
                self._musical, self._active = self._counts()
                self._pieces, self._place, self._held = self._pieces + 1, 0, []

    @property
    def share(self) -> float:
        """Share of music so far, from 0 to 1; 0 for less than 5 s."""
        musical, active = self._counts()
        return musical / active if active else 0.0

    def _counts(self) -> tuple[int, int]:
        """Count the frames with music and those with sound so far, those of the present piece among them."""
        if sum(map(len, self._held)) < self._least:
            return self._musical, self._active
        y = np.concatenate(self._held)
        frames = sliding_window_view(y, self._window)[:: self._hop] * np.hanning(self._window)
        power = np.square(np.abs(np.fft.rfft(frames, axis=1)))[:, self._bins].T
        level = 10 * np.log10(power + 1e-20)
        pad = _AROUND // 2
        around = sliding_window_view(np.pad(level, ((pad, pad), (0, 0)), "edge"), _AROUND, axis=0).mean(axis=-1)
        peaks = (power >= _largest(power, 5, 0)) & (level > around + _ABOVE_DB)
        lines = _largest(peaks, 3, 0)
        held = _lasting(lines, _HELD) & ~_lasting(lines, _HUM)
        loudness = power.sum(axis=0)
        active = loudness > _QUIET * np.percentile(loudness, 95)
        musical = ((held & peaks).sum(axis=0) >= _PARTIALS) & active
        return self._musical + int(musical.sum()), self._active + int(active.sum())


def _largest(values: NDArray, size: int, axis: int) -> NDArray:
    """Largest of an odd number of neighbours."""
    widths = [(0, 0), (0, 0)]
    widths[axis] = (size // 2, size // 2)
    return sliding_window_view(np.pad(values, widths), size, axis=axis).max(axis=-1)


def _lasting(lines: NDArray[np.bool_], n: int) -> NDArray[np.bool_]:
    """True where a line is part of a run of `n` frames and more."""
    if lines.shape[1] < n:
        return np.zeros_like(lines)
    whole = sliding_window_view(lines, n, axis=1).all(axis=-1)
    return np.asarray(sliding_window_view(np.pad(whole, ((0, 0), (n - 1, n - 1))), n, axis=1).any(axis=-1))
