"""Denoising of whole signals and of long recordings piece by piece, with the same result either way."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..audio.signal import as_block, as_signal
from ..compute.threads import ahead, n_cores
from ..dictionary import Dictionary, FrontEnd
from ..errors import AudioError, NmfaudioError
from ..spectra.stft import STFT
from .decomposition import decomposition_for
from .full_band import LongTerm
from .gain import GainRule, power_mask
from .noise_profile import profile_for

_LEAST_PIECE, _LARGEST_PIECE = 256, 4096  # 4 and 66 s at the default hop; the latter for each core
_PIECE_VALUES = 2**20
_AT_ONCE = 1024  # frames that get their gain and become sound
_MOST_CORES = 4  # that memory is spent on


class Settings:
    """What :class:`Denoiser` and :class:`nmfaudio.StreamingDenoiser` are told alike; see there."""

    def __init__(
        self, dictionary: Any, noise: Any, attenuation_limit_db: float | None, strength: float, channels: str
    ) -> None:
        if channels not in ("linked", "independent"):
            raise NmfaudioError(f"channels {channels!r}: choose 'linked' or 'independent'")
        self.dictionary = Dictionary.load(dictionary)
        self.noise = self.dictionary.profile if noise is None else profile_for(self.dictionary, noise)
        self.channels = channels
        settings = self.dictionary.settings
        if attenuation_limit_db is None:
            attenuation_limit_db = settings.get("attenuation_limit_db", 40.0)
        self.gain_rule = GainRule(float(settings.get("mask_power", 1.0)), float(strength), float(attenuation_limit_db))

    def _stft_at(self, sr: float) -> STFT:
        front_end = self.dictionary.front_end
        return STFT.for_rate(sr, front_end.window_s, front_end.hop_s, front_end.window)


class _Piece(NamedTuple):
    """Frames that are explained at a time.

    Attributes
    ----------
    spectra : ndarray, shape (channels, F, N)
    V : list of ndarray, shape (n_bins, M)
        For each mask, compressed magnitudes of these frames and of those around them.
    frames : slice
        Which of those these are.
    last : bool
        Whether this is the last piece.
    """

    spectra: np.ndarray
    V: list[np.ndarray]
    frames: slice
    last: bool


class Denoiser(Settings):
    """Takes the noise out of speech.

    Parameters
    ----------
    dictionary : str, path or Dictionary
        Name of a shipped dictionary, file, or a loaded one.
    noise : path or Dictionary, optional
        What the noise sounds like: a profile from :func:`nmfaudio.noise_profile`, an ``.npz`` file with one, or a
        sound file of the noise alone; by default the profile that the dictionary carries, if it has one. A profile of
        another noise does harm.
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
        For an option out of range, or a dictionary or profile that cannot be used.

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
        noise: Any = None,
        attenuation_limit_db: float | None = None,
        strength: float = 1.0,
        channels: str = "linked",
    ) -> None:
        super().__init__(dictionary, noise, attenuation_limit_db, strength, channels)
        self._decomposition = decomposition_for(self.dictionary, self.noise)
        self._long_term = LongTerm.looking(ahead=self._decomposition.future_frames > 0)

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
            If the signal has another shape, or holds NaN, infinity or what is beyond 1e10.
        """
        y = as_signal(y)
        if y.ndim > 2:
            raise AudioError(f"signal of shape {y.shape}: give (samples,) or (channels, samples)")
        if self.gain_rule.changes_nothing or not y.size:
            return y.copy()
        pieces = list(self.process_blocks([np.atleast_2d(y).astype(np.float32, copy=False)], sr))
        return np.concatenate(pieces, axis=1).reshape(y.shape).astype(y.dtype, copy=False)

    def process_blocks(self, blocks: Iterable[np.ndarray], sr: float) -> Iterator[np.ndarray]:
        """Denoise a recording of any length in constant memory.

        Parameters
        ----------
        blocks : iterable of ndarray, shape (channels, samples)
            The recording in order, in blocks of any length; values as for a whole signal.
        sr : float
            Sampling rate in Hz.

        Yields
        ------
        ndarray, shape (channels, samples)
            The cleaned recording, float32, or exactly what came where the options change nothing; lengths differ from
            those of the input blocks, their sum does not.

        Raises
        ------
        AudioError
            As for a whole signal; samples are counted from the beginning of their block.
        """
        if self.gain_rule.changes_nothing:
            yield from map(as_block, blocks)
            return
        stft = self._stft_at(sr)
        spectra = Spectra(stft, map(as_block, blocks))
        reach = stft.n_frames(1) - 1  # frames after a hop that still overlap it
        pending: np.ndarray | None = None  # frames that later ones still overlap
        n_given = 0
        for Y, last in self._cleaned(spectra):
            pending = Y if pending is None else np.concatenate([pending, Y], axis=-1)
            hops = pending.shape[-1] - reach
            if last:
                yield stft.synthesis(pending, spectra.n_samples - n_given)
            elif hops > 0:
                yield stft.synthesis(pending[..., : hops + reach], hops * stft.hop_length)
                n_given += hops * stft.hop_length
                pending = pending[..., hops:]

    def _pieces(self, spectra: "Spectra") -> Iterator[_Piece]:
        found, n = self._decomposition, min(n_cores(), _MOST_CORES)
        held: list[np.ndarray] = []
        first, start, end = 0, 0, 0  # frames held, from first on, and those of earlier pieces, up to start
        for Y, last in spectra:
            held.append(Y)
            end += Y.shape[-1]
            stop = end if last else (end - found.future_frames) // found.segment_frames * found.segment_frames
            if not last and stop - start < _piece_frames(Y, n):
                continue
            around, frames = np.concatenate(held, axis=-1), slice(start - first, stop - first)
            keep = max(first, stop - found.past_frames)
            held, first, start = [around[..., keep - first :].copy()], keep, stop  # a copy lets go of the rest
            V = [compressed(X, self.dictionary.front_end) for X in powers(around, self.channels)]
            yield _Piece(around[..., frames], V, frames, last)
            del around, V

    def _explained(self, piece: _Piece) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]], bool]:
        """Spectra of a piece, estimates of speech and noise for each mask, and whether it is the last."""
        return piece.spectra, [self._decomposition(V, piece.frames) for V in piece.V], piece.last

    def _masked(self, spectra: "Spectra") -> Iterator[tuple[np.ndarray, np.ndarray, bool]]:
        """Spectra of some frames, the share of speech in them, and whether they are the last."""
        for Y, estimates, last in ahead(self._explained, self._pieces(spectra)):
            n = Y.shape[-1]
            for start in range(0, n, _AT_ONCE):
                now = slice(start, start + _AT_ONCE)
                masks = [power_mask(S[:, now], N[:, now], self.gain_rule.mask_power) for S, N in estimates]
                yield Y[..., now], np.stack(masks), last and now.stop >= n

    def _cleaned(self, spectra: "Spectra") -> Iterator[tuple[np.ndarray, bool]]:
        """Spectra with their gain, once all frames are known that it depends on, and whether they are the last."""
        window = self._long_term
        held: tuple[np.ndarray, ...] = ()
        first, done = 0, 0  # frames held, from first on, and those given
        for Y, mask, last in self._masked(spectra):
            new = (Y, powers(Y, self.channels), mask)
            held = tuple(np.concatenate(pair, axis=-1) for pair in zip(held, new, strict=True)) if held else new
            Y, power, mask = held
            end = first + Y.shape[-1]
            stop = end if last else max(done, end - window.future)
            now = slice(done - first, stop - first)
            yield Y[..., now] * self._gain(power, mask)[..., now], last
            keep = max(first, stop - window.past)
            held, first, done = tuple(X[..., keep - first :].copy() for X in held), keep, stop

    def _gain(self, power: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Gain of every bin, shape (channels, B, N); one channel of it where channels are linked."""
        return np.stack([self.gain_rule(self._long_term(*pair)) for pair in zip(power, mask, strict=True)])


def _piece_frames(Y: np.ndarray, n: int) -> int:
    """Frames to explain at a time: many waste less on the neighbourhood, many channels or bins take much memory."""
    return min(n * _LARGEST_PIECE, max(_LEAST_PIECE, n * _PIECE_VALUES // (Y.shape[0] * Y.shape[1])))


def powers(Y: np.ndarray, channels: str) -> np.ndarray:
    """Power of each bin: the mean over channels, shape (1, F, ...), or of each channel, shape (channels, F, ...).

    Parameters
    ----------
    Y : ndarray, shape (channels, F, ...)
        Complex spectra.
    channels : {"linked", "independent"}
    """
    power = Y.real**2 + Y.imag**2
    return power.mean(axis=0, keepdims=True) if channels == "linked" and len(power) > 1 else power


def compressed(power: np.ndarray, front_end: FrontEnd) -> np.ndarray:
    """Compressed magnitude that the dictionary explains, shape (n_bins, ...); zero above the band of the recording."""
    V = power[: front_end.n_bins] ** np.float32(front_end.exponent / 2)
    missing = front_end.n_bins - len(V)
    return np.pad(V, ((0, missing), *[(0, 0)] * (V.ndim - 1))) if missing else V


class Spectra:
    """Spectra of a recording that comes in blocks; iterating gives (spectra, is it the last)."""

    def __init__(self, stft: STFT, blocks: Iterable[np.ndarray]):
        self.stft, self.blocks = stft, blocks
        self.n_samples = 0

    def __iter__(self) -> Iterator[tuple[np.ndarray, bool]]:
        """Spectra of the next frames, and whether they are the last."""
        hop, overlap = self.stft.hop_length, self.stft.overlap
        reach = -(-overlap // hop)  # frames of a piece that its neighbours before it belong to
        waiting: np.ndarray | None = None
        for block in self.blocks:
            if waiting is None:
                waiting = np.zeros((len(block), reach * hop), np.float32)
            self.n_samples += block.shape[1]
            for start in range(0, block.shape[1], _LEAST_PIECE * hop):
                part = block[:, start : start + _LEAST_PIECE * hop]
                waiting = np.concatenate([waiting, part], axis=1, dtype=np.float32)
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
