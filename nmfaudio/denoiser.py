"""Denoising of whole signals and of long recordings piece by piece, with the same result either way."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .decompose import decomposition_for
from .dictionary import Dictionary, FrontEnd
from .errors import AudioError, NmfaudioError
from .gain import GainRule, power_mask
from .high_band import HighBand
from .stft import STFT

_PIECE_FRAMES = 1024  # 16 s at the default hop
_MAX_CHANNELS = 64


class Denoiser:
    """Takes the noise out of speech.

    Parameters
    ----------
    dictionary : str, path or Dictionary
        Name of a shipped dictionary, file, or a loaded one.
    attenuation_limit_db : float, optional
        No bin is lowered by more than this many decibels; 0 returns the input exactly.
        By default the dictionary's own limit.
    strength : float
        Factor on the attenuation in decibels; 0 returns the input exactly.
    channels : {"linked", "independent"}
        One gain for all channels, which keeps the stereo image, or one for each.

    Raises
    ------
    NmfaudioError
        For an option out of range or a dictionary that cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio import Denoiser
    >>> y = np.random.default_rng(0).standard_normal(16000).astype(np.float32) * 0.1
    >>> cleaned = Denoiser()(y, sr=16000)
    >>> cleaned.shape, bool(np.abs(cleaned).mean() < np.abs(y).mean())
    ((16000,), True)
    """

    def __init__(
        self,
        dictionary: Any = "speech",
        *,
        attenuation_limit_db: float | None = None,
        strength: float = 1.0,
        channels: str = "linked",
    ):
        if channels not in ("linked", "independent"):
            raise NmfaudioError(f"channels {channels!r}: choose 'linked' or 'independent'")
        self.dictionary = dictionary if isinstance(dictionary, Dictionary) else Dictionary.load(dictionary)
        self.gain_rule = gain_rule(self.dictionary, strength, attenuation_limit_db)
        self.channels = channels
        self._decomposition = decomposition_for(self.dictionary)
        self._high_band = HighBand.looking(ahead=self._decomposition.future_frames > 0)

    def __call__(self, y: np.ndarray, sr: float) -> np.ndarray:
        """Denoise a signal.

        Parameters
        ----------
        y : ndarray, shape (samples,) or (channels, samples)
            Float, or integers that are scaled to full scale 1.
        sr : float
            Sampling rate in Hz; any.

        Returns
        -------
        ndarray, shape of y
            float64 for float64 input, otherwise float32.

        Raises
        ------
        AudioError
            If the signal has another shape, or holds NaN or infinity.
        """
        from .audio import to_float

        y = to_float(np.asarray(y))
        if y.ndim not in (1, 2):
            raise AudioError(f"signal of shape {y.shape}: give (samples,) or (channels, samples)")
        if y.ndim == 2 and y.shape[0] > _MAX_CHANNELS and y.shape[0] > y.shape[1]:
            raise AudioError(f"signal of shape {y.shape} looks transposed: give (channels, samples), that is y.T")
        if not np.isfinite(y).all():
            raise AudioError("signal holds NaN or infinity: replace them first, for example with numpy.nan_to_num")
        blocks = list(self.process_blocks([np.atleast_2d(y).astype(np.float32, copy=False)], sr))
        cleaned = np.concatenate(blocks, axis=1) if blocks else np.zeros_like(np.atleast_2d(y), np.float32)
        return cleaned.reshape(y.shape).astype(np.result_type(y.dtype, np.float32), copy=False)

    def process_blocks(self, blocks: Iterable[np.ndarray], sr: float) -> Iterator[np.ndarray]:
        """Denoise a recording of any length in constant memory.

        Parameters
        ----------
        blocks : iterable of ndarray, shape (channels, samples)
            The recording in order, float32, in blocks of any length.
        sr : float
            Sampling rate in Hz.

        Yields
        ------
        ndarray, shape (channels, samples)
            The cleaned recording; lengths differ from those of the input blocks, their sum does not.
        """
        if self.gain_rule.changes_nothing:
            yield from blocks
            return
        front_end = self.dictionary.front_end
        stft = STFT.for_rate(sr, front_end.window_s, front_end.hop_s, front_end.window)
        spectra = _Spectra(stft, blocks)
        past, future, segment = self._neighbourhood(stft)
        held, first, done = None, 0, 0  # spectra of frames first.., and the frames whose gain is applied
        pending = None  # frames with their gain applied that later frames still overlap
        for Y, last in spectra:
            held = Y if held is None else np.concatenate([held, Y], axis=-1)
            end = first + held.shape[-1]
            stop = end if last else (end - future) // segment * segment
            if not last and stop - done < _PIECE_FRAMES:
                continue
            gain = self._gain(held, stft.n_bins)[..., done - first : stop - first]
            masked = held[..., done - first : stop - first] * gain
            pending = masked if pending is None else np.concatenate([pending, masked], axis=-1)
            done = stop
            keep = max(first, done - past)
            held, first = held[..., keep - first :], keep
            reach = stft.n_frames(1) - 1  # frames after a hop that still overlap it
            hops = pending.shape[-1] - reach
            if last:
                yield stft.synthesis(pending, spectra.n_samples - spectra.n_given)
            elif hops > 0:
                yield stft.synthesis(pending, hops * stft.hop_length)
                spectra.n_given += hops * stft.hop_length
                pending = pending[..., hops:]

    def _neighbourhood(self, stft: STFT) -> tuple[int, int, int]:
        """Frames before and after one that its gain depends on, and the grid on which pieces may end."""
        found, segment = self._decomposition, self._decomposition.segment_frames
        past, future = found.past_frames, found.future_frames
        if stft.n_bins > self.dictionary.front_end.n_bins:
            past += -(-self._high_band.past // segment) * segment
            future += -(-self._high_band.future // segment) * segment
        return past, future, segment

    def _gain(self, Y: np.ndarray, n_bins: int) -> np.ndarray:
        """Gain of every bin of spectra of shape (channels, F, N); one channel of it where channels are linked."""
        gains = []
        for power in powers(Y, self.channels):
            S, N = self._decomposition(compressed(power, self.dictionary.front_end))
            mask = power_mask(S, N, self.gain_rule.mask_power)[:n_bins]
            if n_bins > len(mask):
                mask = np.concatenate([mask, self._high_band(power[len(mask) :], mask)])
            gains.append(self.gain_rule(mask))
        return np.stack(gains)


def gain_rule(dictionary: Dictionary, strength: float, attenuation_limit_db: float | None) -> GainRule:
    """Gain rule of a dictionary with what the user wants otherwise."""
    settings = dictionary.settings
    limit_db = settings.get("attenuation_limit_db", 40.0) if attenuation_limit_db is None else attenuation_limit_db
    return GainRule(float(settings.get("mask_power", 1.0)), float(strength), float(limit_db))


def powers(Y: np.ndarray, channels: str) -> np.ndarray:
    """Power of each bin: the mean over channels, shape (1, F, ...), or of each channel, shape (channels, F, ...).

    Parameters
    ----------
    Y : ndarray, shape (channels, F, ...)
        Complex spectra.
    channels : {"linked", "independent"}
    """
    power = Y.real**2 + Y.imag**2
    return power.mean(axis=0, keepdims=True) if channels == "linked" else power


def compressed(power: np.ndarray, front_end: FrontEnd) -> np.ndarray:
    """Compressed magnitude that the dictionary explains, shape (n_bins, ...); zero above the band of the recording."""
    V = power[: front_end.n_bins] ** np.float32(front_end.exponent / 2)
    missing = front_end.n_bins - len(V)
    return np.pad(V, ((0, missing), *[(0, 0)] * (V.ndim - 1))) if missing else V


class _Spectra:
    """Spectra of a recording that comes in blocks; iterating gives (spectra, is it the last)."""

    def __init__(self, stft: STFT, blocks: Iterable[np.ndarray]):
        self.stft, self.blocks = stft, blocks
        self.n_samples = 0
        self.n_given = 0

    def __iter__(self) -> Iterator[tuple[np.ndarray, bool]]:
        hop, overlap = self.stft.hop_length, self.stft.overlap
        reach = -(-overlap // hop)  # frames of a piece that its neighbours before it belong to
        waiting: np.ndarray | None = None
        for block in self.blocks:
            if waiting is None:
                waiting = np.zeros((len(block), reach * hop), np.float32)
            self.n_samples += block.shape[1]
            waiting = np.concatenate([waiting, block], axis=1)
            n_hops = waiting.shape[1] // hop - reach
            if n_hops > 0:
                yield self.stft.analysis(waiting[:, : (reach + n_hops) * hop])[..., reach : reach + n_hops], False
                waiting = waiting[:, n_hops * hop :]
        if waiting is not None and self.n_samples:
            yield self.stft.analysis(waiting)[..., reach:], True


def denoise(y: np.ndarray, sr: float, **options: Any) -> np.ndarray:
    """Take the noise out of a signal: ``Denoiser(**options)(y, sr)``.

    Parameters
    ----------
    y : ndarray, shape (samples,) or (channels, samples)
        Float, or integers that are scaled to full scale 1.
    sr : float
        Sampling rate in Hz; any.
    **options
        See :class:`Denoiser`.

    Returns
    -------
    ndarray, shape of y

    Examples
    --------
    >>> import numpy as np
    >>> import nmfaudio
    >>> nmfaudio.denoise(np.zeros(1000, np.float32), sr=48000).shape
    (1000,)
    """
    return Denoiser(**options)(y, sr)
