"""Measure the loudness of recordings, and give them another one."""

import math
import os
from collections.abc import Callable, Iterable, Iterator
from tempfile import TemporaryFile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import check_number, check_rate, checked
from ..errors import AudioError
from ..spectra.blocks import windows
from .signal import as_block, as_blocks, as_signal

CEILING_DBTP = -1.0
"""True peak in decibels that no sample of a recording with a given loudness exceeds, as EBU R128 has it."""

_STEP_S, _STEPS = 0.1, 4  # loudness is that of 0.4 s, taken each 0.1 s
_SILENCE_LUFS, _GATE_LU = -70.0, 10.0
_SURROUND = {5: (1, 1, 1, 1.41, 1.41), 6: (1, 1, 1, 0, 1.41, 1.41)}  # weights of channels; 1 for all others
_DIP_S = 0.02  # of the limiter, before and after a peak
_OVERSAMPLED_HZ = 192_000
_MARGIN = 16  # samples that a peak between samples depends on
_AT_ONCE = 2**16  # samples
_ROUNDS, _NEAR_LU = 4, 0.05


class LoudnessMeter:
    """Integrated loudness by EBU R128 (ITU-R BS.1770-4) of a recording that comes in blocks.

    Parameters
    ----------
    sr : float
        Sampling rate in Hz.

    Examples
    --------
    A sine of 1 kHz at full scale, on one channel:

    >>> import numpy as np
    >>> from nmfaudio.audio.loudness import LoudnessMeter
    >>> meter = LoudnessMeter(48000)
    >>> meter.push(np.sin(2 * np.pi * 1000 * np.arange(48000) / 48000)[np.newaxis])
    >>> round(meter.lufs, 1)
    -3.0
    """

    @checked
    def __init__(self, sr: float) -> None:
        check_rate(sr)
        self.sr = sr
        self._sos = _k_weighting(sr)
        self._state: NDArray[np.float64] | None = None
        self._done = 0  # samples
        self._energies: list[float] = []  # of steps, the last one not complete

    def push(self, y: ArrayLike) -> None:
        """Take the next block, shape (channels, samples)."""
        from scipy.signal import sosfilt

        y = as_block(y)
        n_channels, n = y.shape
        if not n:
            return
        if self._state is None:
            self._state = np.zeros((len(self._sos), n_channels, 2))
        if n_channels != self._state.shape[1]:
            raise AudioError(f"block of shape {y.shape}: those before it have {self._state.shape[1]} channel(s)")
        weighted, self._state = sosfilt(self._sos, y, zi=self._state)
        power = np.asarray(_SURROUND.get(n_channels, [1.0] * n_channels)) @ np.square(weighted)
        steps = ((self._done + np.arange(n)) / (self.sr * _STEP_S)).astype(int)
        self._energies += [0.0] * (int(steps[-1]) + 1 - len(self._energies))
        for step, energy in enumerate(np.bincount(steps - steps[0], power), steps[0]):
            self._energies[step] += float(energy)
        self._done += n

    @property
    def lufs(self) -> float:
        """Loudness so far in LUFS, that is in decibels below full scale; -infinity for silence."""
        n_steps = int(self._done / (self.sr * _STEP_S))
        if n_steps < _STEPS:  # too short for a block: all of it is one
            powers = np.array([sum(self._energies) / max(1, self._done)])
        else:
            sums = np.convolve(self._energies[:n_steps], np.ones(_STEPS), "valid")
            powers = sums / (self.sr * _STEP_S * _STEPS)
        powers = powers[_lufs(powers) > _SILENCE_LUFS]
        if not powers.size:
            return -math.inf
        return float(_lufs(powers[_lufs(powers) > _lufs(powers.mean()) - _GATE_LU].mean()))


@checked
def loudness(y: ArrayLike, sr: float) -> float:
    """Measure the integrated loudness of a signal by EBU R128 (ITU-R BS.1770-4).

    Parameters
    ----------
    y : array_like, shape (samples,) or (channels, samples)
        Float, or integers that are scaled to full scale 1. Five and six channels are those of surround sound.
    sr : float
        Sampling rate in Hz.

    Returns
    -------
    float
        In LUFS; -infinity for silence. Of less than 0.4 s, that of all of it.

    Raises
    ------
    NmfaudioError
        If the signal or the rate cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.audio.loudness import loudness
    >>> loudness(np.zeros(48000), 48000)
    -inf
    """
    meter = LoudnessMeter(sr)
    for block in _slices(np.atleast_2d(as_signal(y))):
        meter.push(block)
    return meter.lufs


@checked
def true_peak_db(y: ArrayLike, sr: float) -> float:
    """Measure the highest peak of a signal, between its samples too, by oversampling (ITU-R BS.1770-4, annex 2).

    Parameters
    ----------
    y : array_like, shape (samples,) or (channels, samples)
        Float, or integers that are scaled to full scale 1.
    sr : float
        Sampling rate in Hz.

    Returns
    -------
    float
        In dBTP, decibels below full scale; -infinity for silence.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(2 * np.pi * (np.arange(48000) / 4 + 1 / 8))  # its samples are 3 dB below its peaks
    >>> round(true_peak_db(y, 48000))
    0
    """
    blocks = _slices(np.atleast_2d(as_signal(y)))
    peak = max((float(peaks.max(initial=0)) for _, peaks in _peaks(blocks, sr)), default=0.0)
    return 20 * math.log10(peak) if peak else -math.inf


@checked
def limited(
    blocks: Iterable[NDArray[np.floating]], sr: float, gain_db: float, ceiling_dbtp: float = CEILING_DBTP
) -> Iterator[NDArray[np.float32]]:
    """Apply a gain, and lower the sound around peaks that would exceed a ceiling.

    The gain around a peak falls and rises in 20 ms each, the same in all channels, so that nothing is distorted.

    Parameters
    ----------
    blocks : iterable of ndarray, shape (channels, samples)
        The recording in order.
    sr : float
        Sampling rate in Hz.
    gain_db : float
        Gain in decibels.
    ceiling_dbtp : float
        Highest true peak, in decibels below full scale.

    Yields
    ------
    ndarray, shape (channels, samples)

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(2 * np.pi * 1000 * np.arange(48000) / 48000)[np.newaxis]
    >>> loud = np.concatenate(list(limited([y], 48000, gain_db=6.0)), axis=1)
    >>> round(true_peak_db(loud, 48000), 1)
    -1.0
    """
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    gain, ceiling = 10 ** (gain_db / 20), 10 ** (ceiling_dbtp / 20)
    half = max(1, round(_DIP_S * sr / 2))
    allowed = ((y, np.minimum(1, ceiling / np.maximum(gain * peaks, ceiling))) for y, peaks in _peaks(blocks, sr))
    for (y, wanted), now in windows(allowed, 4 * half, 4 * half, size=lambda _: _AT_ONCE):
        dips = minimum_filter1d(wanted, 4 * half + 1, mode="nearest")
        for _ in range(2):  # two means are a triangle, as wide as the minimum reaches
            dips = uniform_filter1d(dips, 2 * half + 1, mode="nearest")
        yield (y[:, now] * (gain * np.minimum(dips, wanted)[now])).astype(np.float32)


@checked
def with_loudness(
    blocks: Iterable[NDArray[np.floating]],
    sr: float,
    lufs: float,
    *,
    folder: str | os.PathLike[str] | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Give a recording another loudness, with no true peak above -1 dB; its length may be any.

    The gain is known at the end, so that the samples wait in a file without a name.

    Parameters
    ----------
    blocks : iterable of ndarray, shape (channels, samples)
        The recording in order.
    sr : float
        Sampling rate in Hz.
    lufs : float
        Integrated loudness by EBU R128, in LUFS.
    folder : path, optional
        Folder for the file.

    Yields
    ------
    ndarray, shape (channels, samples)
        As loud as asked for, within 0.1 LU unless the peaks do not allow it; silence as it is.

    Raises
    ------
    NmfaudioError
        If the loudness or the rate cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> y = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(48000) / 48000)[np.newaxis]
    >>> louder = np.concatenate(list(with_loudness([y], 48000, lufs=-16.0)), axis=1)
    >>> round(loudness(louder, 48000), 1)
    -16.0
    """
    check_number("loudness", lufs, _SILENCE_LUFS, 0, unit=" LUFS")
    if folder is not None and not os.path.isdir(folder):
        raise AudioError(f"{folder}: no such folder to keep the sound in meanwhile")
    with TemporaryFile(dir=folder) as waiting:
        meter = LoudnessMeter(sr)
        n_channels = 1
        for y in as_blocks(blocks):
            n_channels = len(y)
            meter.push(y)
            waiting.write(np.ascontiguousarray(y.T, np.float32).data)

        def again() -> Iterator[NDArray[np.float32]]:
            waiting.seek(0)
            while samples := waiting.read(4 * n_channels * _AT_ONCE):
                yield np.frombuffer(samples, np.float32).reshape(-1, n_channels).T

        yield from limited(again(), sr, _gain_db(again, sr, lufs, meter.lufs))


def _gain_db(again: Callable[[], Iterable[NDArray[np.float32]]], sr: float, lufs: float, found: float) -> float:
    """Gain that leads to a loudness after the limiter, which takes some of it."""
    if not math.isfinite(found):
        return 0.0
    gain_db = lufs - found
    for _ in range(_ROUNDS):
        meter = LoudnessMeter(sr)
        for y in limited(again(), sr, gain_db):
            meter.push(y)
        if abs(lufs - meter.lufs) < _NEAR_LU:
            break
        gain_db += lufs - meter.lufs
    return gain_db


def _peaks(
    blocks: Iterable[NDArray[np.floating]], sr: float
) -> Iterator[tuple[NDArray[np.floating], NDArray[np.floating]]]:
    """Yield blocks, and the highest true peak of all channels at each sample."""
    from scipy.signal import resample_poly

    check_rate(sr)
    factor = max(1, round(_OVERSAMPLED_HZ / sr)) if sr < _OVERSAMPLED_HZ else 1
    for (y,), now in windows(((y,) for y in as_blocks(blocks)), _MARGIN, _MARGIN, size=lambda _: _AT_ONCE):
        dense = np.abs(resample_poly(y, factor, 1, axis=1))
        around = dense.reshape(len(y), -1, factor).max(axis=(0, 2))
        yield y[:, now], around[now]


def _slices(y: NDArray[np.floating]) -> Iterator[NDArray[np.floating]]:
    return (y[:, start : start + _AT_ONCE] for start in range(0, y.shape[1], _AT_ONCE))


def _lufs(power: ArrayLike) -> NDArray[np.float64]:
    return -0.691 + 10 * np.log10(np.maximum(power, 1e-30))


@checked
def k_weights(hz: ArrayLike, sr: float) -> NDArray[np.float64]:
    """Return the power response of the K weighting of ITU-R BS.1770-4 at some frequencies.

    Parameters
    ----------
    hz : array_like
        Frequencies in Hz, in any shape.
    sr : float
        Sampling rate in Hz of the recording that is weighted.

    Returns
    -------
    ndarray, shape of `hz`, float64
        The factors of its power.

    Raises
    ------
    NmfaudioError
        If the rate or the frequencies are no numbers.

    Examples
    --------
    >>> k_weights([0, 1000], 48000).round(2)
    array([0.  , 1.17])
    """
    check_rate(sr)
    z = np.exp(-2j * np.pi * np.asarray(hz) / sr)
    above, below = _k_weighting(sr).reshape(-1, 2, 3).transpose(1, 0, 2)
    response = [np.polyval(b[::-1], z) / np.polyval(a[::-1], z) for b, a in zip(above, below, strict=True)]
    weights: NDArray[np.float64] = np.abs(np.prod(response, axis=0)) ** 2
    return weights


def _k_weighting(sr: float) -> NDArray[np.float64]:
    """Second-order sections of the K weighting at any rate, from the analogue filters behind the tables of BS.1770.

    A shelf of 4 dB above 1.7 kHz stands for the head, a high-pass at 38 Hz for the ear (parameters as in libebur128).
    """
    k, q, shelf = _warped(1681.974450955533, sr), 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    middle = shelf**0.4996667741545416
    head = np.array(
        [
            [shelf + middle * k / q + k * k, 2 * (k * k - shelf), shelf - middle * k / q + k * k],
            [1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k],
        ]
    )
    k, q = _warped(38.13547087602444, sr), 0.5003270373238773
    ear = np.array([[1, -2, 1], [1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k]])
    sections = [section / section[1, 0] for section in (head, ear)]
    sections[1][0] = [1, -2, 1]  # as in the tables
    return np.array([section.ravel() for section in sections])


def _warped(hz: float, sr: float) -> float:
    """Frequency of the bilinear transform, kept just below half the rate, where a filter would become unstable."""
    return math.tan(math.pi * min(hz / sr, 0.499))
