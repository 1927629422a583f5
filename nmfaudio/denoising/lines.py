"""Take out hum: lines of the spectrum that do not change over seconds."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

_BOTTOM_HZ, _TOP_HZ = 30.0, 1600.0
_LOW_RATE_HZ = 4000.0  # at least, at which lines are looked for
_KAISER, _REACH = 5.65, 1.82  # of the filter before: it leaves 60 dB less of what lies above the low rate's band
_STEP_S = 0.5
_KNOWN_STEPS = 8  # in three quarters of which a line is there: a voice comes and goes, a hum stays
_FITTED_STEPS = 4
_STEPS_PER_SEARCH = 2  # in a stream; in a file, twice as many
_FRAME_S = 0.064  # shorter than most gaps between syllables
_NEAR_HZ, _APART_HZ = 24, 6  # around a line that it stands out from, and that the next one is away
_STANDS_OUT = 4.0
_PARTIALS = 8
_TURNS, _TURNS_OF_FREQUENCY = 7, (1, 3)  # of the weights, and after which of these the frequency is mended
_MOST_OFF_HZ = 0.3  # that a frequency is mended by in one turn
_HELD_STEPS = 8  # that a line which a voice covers goes on
_LEAST_SNR = 9.0  # power of a line over the variance of its estimate
_MOST_SLOPE = 1.0  # of a line's level, per second
_LEAST_POWER = 1e-14  # of what counts, relative to the peak
_TINY = np.finfo(np.float64).tiny


class Lines(NamedTuple):
    """Steady lines near a time: the sum of ``2 Re((a + b t) exp(2 pi i f t))``, t seconds after that time.

    Attributes
    ----------
    hz : ndarray, shape (L,)
        Frequencies f.
    level, slope : ndarray of complex, shape (C, L)
        a, and b per second.
    age : ndarray, shape (L,)
        Steps since the fit; lines that a voice covers go on for a while.
    at_s : float
        The time, in seconds from the first sample.
    """

    hz: np.ndarray
    level: np.ndarray
    slope: np.ndarray
    age: np.ndarray
    at_s: float

    @classmethod
    def none(cls, n_channels: int, at_s: float) -> "Lines":
        """Return no lines."""
        nothing, levels = np.zeros(0), np.zeros((n_channels, 0), complex)
        return cls(nothing, levels, levels, nothing, at_s)

    def wave(self, times_s: np.ndarray) -> np.ndarray:
        """Return the sum of the lines at some times, shape (C, samples)."""
        t = times_s - self.at_s
        angles = 2 * np.pi * self.hz[:, None] * t
        cos, sin = np.cos(angles), np.sin(angles)
        wave: np.ndarray = self.level.real @ cos - self.level.imag @ sin
        wave += t * (self.slope.real @ cos - self.slope.imag @ sin)
        return 2 * wave


class LineFinder:
    """Find the steady lines of a signal below 1.6 kHz, such as mains hum and its harmonics, from its latest 4 s.

    A line is where a low quantile of the magnitude over 4 s is a peak that stands out from the bins around it. In the
    band of a line the signal z is fitted by ``a + b t`` over 2 s, with weights ``(1 + |z - a - b t|**2 / s)**-1.5``,
    where s is a low quantile of the squared errors (iteratively reweighted least squares; Holland and Welsch 1977).
    They leave out the frames in which a voice covers the line: between syllables what is left is the hum.

    Parameters
    ----------
    sr : float
        Sampling rate in Hz.
    n_channels : int
        Channels, C.

    Attributes
    ----------
    n_taken : int
        Samples taken so far.
    step : int
        Samples of half a second.
    """

    def __init__(self, sr: float, n_channels: int) -> None:
        self.sr, self.step = sr, round(_STEP_S * sr)
        self._decimation = max(1, int(sr // _LOW_RATE_HZ))
        self._low_rate = sr / self._decimation
        self._top_hz = min(_TOP_HZ, 0.4 * self._low_rate)
        reach = round(_REACH * sr / (self._low_rate - 2 * self._top_hz))
        at = np.arange(-reach, reach + 1)
        taps = np.sinc(at / self._decimation) * np.kaiser(len(at), _KAISER)  # passes up to half of the low rate
        self._taps = taps / taps.sum()
        self._n_known, self._n_fitted = (n * self.step // self._decimation for n in (_KNOWN_STEPS, _FITTED_STEPS))
        self._n_channels = n_channels
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self.n_taken = 0
        self._tail = np.zeros((self._n_channels, len(self._taps) - 1))
        self._known = np.zeros((self._n_channels, 0))  # the latest samples at the low rate
        self._hz = np.zeros(0)
        self._latest = Lines.none(self._n_channels, 0.0)

    def steps(self, y: np.ndarray) -> Iterator[np.ndarray]:
        """Cut the next samples where a step ends; each part is to be pushed before the next one is asked for."""
        while y.shape[1]:
            part, y = np.split(y, [self.step - self.n_taken % self.step], axis=1)
            yield part

    def push(self, y: np.ndarray) -> None:
        """Take the next samples, shape (C, samples)."""
        x = np.concatenate([self._tail, y], axis=1)
        self._tail = x[:, y.shape[1] :]
        first = -self.n_taken % self._decimation
        windows = sliding_window_view(x, len(self._taps), axis=1)[:, first :: self._decimation]
        self._known = np.concatenate([self._known, windows @ self._taps], axis=1)[:, -self._n_known :]
        self.n_taken += y.shape[1]

    def search(self) -> None:
        """Look for lines in the latest 4 s; there are none before so much is known."""
        enough = self._known.shape[1] == self._n_known and self._top_hz > _BOTTOM_HZ + _APART_HZ
        self._hz = self._frequencies() if enough else np.zeros(0)

    def lines(self, centre_s: float) -> Lines:
        """Fit the lines that were found to the 2 s around a time, or to those next to it that are known."""
        end_s = (self.n_taken - 1) // self._decimation / self._low_rate
        after = round((end_s - centre_s) * self._low_rate) - self._n_fitted // 2
        stop = self._n_known - min(max(after, 0), self._n_known - self._n_fitted)
        now = Lines.none(self._n_channels, end_s - (self._n_known - stop) / self._low_rate)
        if len(self._hz):
            x = self._known[:, stop - self._n_fitted : stop]
            scale = max(np.abs(x).max(), _TINY)
            hz, level, slope = _fit(x / scale, self._low_rate, self._hz)
            response = self._response(hz) / scale
            now = Lines(hz, level / response, slope / response, np.zeros(len(hz)), now.at_s)
        self._latest = self._with_covered(now)
        return self._latest

    def _with_covered(self, now: Lines) -> Lines:
        """Let those lines go on that were there a short while ago and are still looked for."""
        hz, level, _, age, at_s = self._latest
        lost = (age < _HELD_STEPS) & _is_near(hz, self._hz) & ~_is_near(hz, now.hz)
        if not lost.any():
            return now
        level = level[:, lost] * np.exp(2j * np.pi * hz[lost] * (now.at_s - at_s))
        return Lines(
            np.concatenate([now.hz, hz[lost]]),
            np.concatenate([now.level, level], axis=1),
            np.concatenate([now.slope, np.zeros_like(level)], axis=1),
            np.concatenate([now.age, age[lost] + 1]),
            now.at_s,
        )

    def _frequencies(self) -> np.ndarray:
        n = round(self._low_rate)  # a second, so bins are 1 Hz apart
        frames = sliding_window_view(self._known, n, axis=1)[:, :: n // 4]
        A = np.abs(np.fft.rfft(np.hanning(n + 1)[:-1] * frames)).mean(axis=0)
        bottom, top = (round(hz * n / self._low_rate) for hz in (_BOTTOM_HZ, self._top_hz))
        quarter = len(A) // 4
        q = np.partition(A[:, bottom:top], quarter, axis=0)[quarter]
        floor = np.median(_around(q, _NEAR_HZ)[:, ::3], axis=-1)
        peaks = np.flatnonzero((q > _STANDS_OUT * floor) & (q == _around(q, _APART_HZ).max(axis=-1)))
        below, at, above = (np.log(np.maximum(q[(peaks + i).clip(0, len(q) - 1)], _TINY)) for i in (-1, 0, 1))
        shift = 0.5 * (below - above) / np.minimum(below - 2 * at + above, -_TINY)  # of the top of a parabola
        hz: np.ndarray = (bottom + peaks + shift.clip(-0.5, 0.5)) * self._low_rate / n
        return self._with_partials(hz)

    def _with_partials(self, hz: np.ndarray) -> np.ndarray:
        """Add what else a mains hum may consist of: a voice can hide some of it."""
        hum = hz[(hz > 45) & (hz < 130)]
        if not len(hum):
            return hz
        base = hum[0] if hum[0] < 65 else hum[0] / 2
        more = base * np.arange(1, _PARTIALS + 1)
        return np.concatenate([hz, more[~_is_near(more, hz)]])

    def _response(self, hz: np.ndarray) -> np.ndarray:
        """Evaluate the filter at some frequencies."""
        response: np.ndarray = self._taps @ np.exp(-2j * np.pi * np.outer(np.arange(len(self._taps)), hz) / self.sr)
        return response


class LineStream:
    """Split a stream into its steady lines and the rest, without a delay: the lines of its past go on.

    Parameters
    ----------
    sr : float
        Sampling rate in Hz.
    n_channels : int
        Channels, C.
    """

    def __init__(self, sr: float, n_channels: int) -> None:
        self._finder = LineFinder(sr, n_channels)
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self._finder.reset()
        self._before = self._now = self._finder.lines(0)

    def push(self, y: np.ndarray) -> np.ndarray:
        """Split the next samples, which does not depend on how the stream is cut into blocks.

        Parameters
        ----------
        y : ndarray, shape (C, samples)

        Returns
        -------
        ndarray, shape (2, C, samples), float32
            The samples without their lines, and the lines.
        """
        finder, out = self._finder, [np.zeros((2, len(y), 0), np.float32)]
        for part in finder.steps(y):
            out.append(_split(part, finder.n_taken, finder, self._before, self._now))
            finder.push(part)
            if finder.n_taken % finder.step == 0:
                if finder.n_taken // finder.step % _STEPS_PER_SEARCH == 0:
                    finder.search()
                self._before, self._now = self._now, finder.lines(finder.n_taken / finder.sr)
        return np.concatenate(out, axis=2, dtype=np.float32)


def split_lines(blocks: Iterable[np.ndarray], sr: float) -> Iterator[np.ndarray]:
    """Split a recording into its steady lines below 1.6 kHz and the rest.

    The lines of a time are found in the seconds before and after it; see :class:`LineFinder`.

    Parameters
    ----------
    blocks : iterable of ndarray, shape (C, samples)
        The recording in order; a short one, of less than 4 s, is left as it is.
    sr : float
        Sampling rate in Hz.

    Yields
    ------
    ndarray, shape (2, C, samples), float32
        The recording without its lines, and the lines; their sum is the recording.
    """
    blocks = iter(blocks)
    first = next(blocks, None)
    if first is None:
        return
    finder = LineFinder(sr, len(first))
    waiting: list[list[np.ndarray]] = [[]]  # parts of each step
    fits: list[Lines] = []  # at the beginning of each step, from that of the first sample that waits
    n_given = 0  # steps

    def given(until: int) -> Iterator[np.ndarray]:
        nonlocal n_given
        while n_given < until:
            fits.extend(finder.lines((n_given + i) * finder.step / sr) for i in range(len(fits), 2))
            y = np.concatenate(waiting.pop(0), axis=1)
            yield _split(y, n_given * finder.step, finder, *fits)
            del fits[0]
            n_given += 1

    for y in chain([first], blocks):
        for part in finder.steps(y):
            finder.push(part)
            waiting[-1].append(part.astype(np.float32))
            n_steps, rest = divmod(finder.n_taken, finder.step)
            if rest:
                continue
            waiting.append([])
            if n_steps >= _KNOWN_STEPS:
                if n_steps % (2 * _STEPS_PER_SEARCH) == 0:
                    finder.search()
                yield from given(n_steps - _KNOWN_STEPS // 2)
    yield from given(-(-finder.n_taken // finder.step))


def _split(y: np.ndarray, start: int, finder: LineFinder, before: Lines, after: Lines) -> np.ndarray:
    """Split samples, the first of them at `start`, into lines, which fade from some to others in a step, and the rest.

    Returns
    -------
    ndarray, shape (2, C, samples)
        The rest, and the lines.
    """
    if not len(before.hz) and not len(after.hz):
        return np.stack([y, np.zeros_like(y)])
    at = start + np.arange(y.shape[1])
    share, times_s = at % finder.step / finder.step, at / finder.sr
    lines = ((1 - share) * before.wave(times_s) + share * after.wave(times_s)).astype(y.dtype)
    return np.stack([y - lines, lines])


def _fit(x: np.ndarray, sr: float, hz: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit lines near some frequencies to x, shape (C, samples), with a peak of 1: return a part of :class:`Lines`.

    The level is that at the last sample. Lines that do not stand out of their errors, or that change, are left out.
    """
    n = round(_FRAME_S * sr)
    frames = np.ascontiguousarray(sliding_window_view(x, n, axis=1)[:, :: -(n // 4)])  # from the last one on
    t = -(n // 4 * np.arange(frames.shape[1]) + (n - 1) / 2) / sr  # of the middle of each
    power = np.einsum("ctn,ctn->t", frames, frames)
    quiet = (power + 1e-3 * np.median(power) + _LEAST_POWER) ** -2.0
    window, angles = np.hanning(n + 2)[1:-1, None], 2 * np.pi * np.outer(np.arange(n) - (n - 1) / 2, hz) / sr
    bands = [frames.reshape(-1, n) @ (window / window.sum() * wave) for wave in (np.cos(angles), np.sin(angles))]
    Z = (bands[0] - 1j * bands[1]).reshape(*frames.shape[:2], -1) * np.exp(-2j * np.pi * np.outer(t, hz))
    weights, n_least = np.broadcast_to(quiet[:, None], Z.shape), int(0.3 * len(t))
    for turn in range(_TURNS):
        level, slope, spread = _straight(Z, t, weights)
        error = np.abs(Z - level[:, None] - slope[:, None] * t[:, None]) ** 2
        least = np.partition(error, n_least, axis=1)[:, n_least, None] + _LEAST_POWER
        relative = 1 + error / least
        weights = 1 / (least * relative * np.sqrt(relative))
        if turn in _TURNS_OF_FREQUENCY:  # a frequency that is off turns the phase
            turns = np.sum(slope * level.conj(), axis=0).imag / (np.sum(np.abs(level) ** 2, axis=0) + _TINY)
            off_hz = (turns / (2 * np.pi)).clip(-_MOST_OFF_HZ, _MOST_OFF_HZ)
            hz, Z = hz + off_hz, Z * np.exp(-2j * np.pi * np.outer(t, off_hz))
    power = np.sum(np.abs(level) ** 2, axis=0)
    overlap = n / (n // 4)  # of the frames, whose errors are alike
    surely = power > _LEAST_SNR * overlap * spread.sum(axis=0)
    kept = surely & (np.sum(np.abs(slope) ** 2, axis=0) < _MOST_SLOPE**2 * power)
    return hz[kept], level[:, kept], slope[:, kept]


def _straight(Z: np.ndarray, t: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit ``a + b t`` to Z, shape (C, T, L), by weighted least squares: return a, b and the variance of a."""
    powers = np.stack([np.ones_like(t), t, t**2])
    s0, s1, s2 = (powers @ weights).swapaxes(0, 1)
    z0, z1 = (powers[:2] @ (weights * Z)).swapaxes(0, 1)
    determinant = s0 * s2 - s1**2 + _TINY
    return (s2 * z0 - s1 * z1) / determinant, (s0 * z1 - s1 * z0) / determinant, s2 / determinant


def _is_near(hz: np.ndarray, others: np.ndarray) -> np.ndarray:
    near: np.ndarray = (np.abs(hz[:, None] - others) <= _APART_HZ).any(axis=1)
    return near


def _around(x: np.ndarray, reach: int) -> np.ndarray:
    """Return the values around each one, shape (n, 2 reach + 1); the outermost go on beyond the ends."""
    return sliding_window_view(np.pad(x, reach, mode="edge"), 2 * reach + 1)
