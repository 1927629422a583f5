"""Denoising of whole signals and of long recordings piece by piece, with the same result either way."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .decompose import decomposition_for
from .dictionary import Dictionary, FrontEnd
from .errors import AudioError, NmfaudioError
from .gain import GainRule
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
        past, future = self._decomposition.past_frames, self._decomposition.future_frames
        segment = self._decomposition.segment_frames
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

    def _gain(self, Y: np.ndarray, n_bins: int) -> np.ndarray:
        """Gain of every bin of spectra of shape (channels, F, N); one channel of it where channels are linked."""
        spectrograms = magnitudes(Y, self.dictionary.front_end, self.channels)
        return np.stack([self.gain_rule(*self._decomposition(V), n_bins) for V in spectrograms])


def gain_rule(dictionary: Dictionary, strength: float, attenuation_limit_db: float | None) -> GainRule:
    """Gain rule of a dictionary with what the user wants otherwise."""
    settings = dictionary.settings
    limit_db = settings.get("attenuation_limit_db", 40.0) if attenuation_limit_db is None else attenuation_limit_db
    return GainRule(float(settings.get("mask_power", 1.0)), float(strength), float(limit_db))


def magnitudes(Y: np.ndarray, front_end: FrontEnd, channels: str) -> np.ndarray:
    """Compressed magnitudes that the dictionary explains.

    Parameters
    ----------
    Y : ndarray, shape (channels, bins, ...)
        Complex spectra at any rate.
    front_end : FrontEnd
    channels : {"linked", "independent"}
        The root mean square over channels, or each for itself.

    Returns
    -------
    ndarray, shape (1 or channels, n_bins, ...)
        Zero above the band of the recording.
    """
    Y = Y[:, : front_end.n_bins]
    power = Y.real**2 + Y.imag**2
    if channels == "linked":
        power = power.mean(axis=0, keepdims=True)
    V = power ** np.float32(front_end.exponent / 2)
    missing = front_end.n_bins - V.shape[1]
    return np.pad(V, ((0, 0), (0, missing), *[(0, 0)] * (V.ndim - 2))) if missing else V


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
