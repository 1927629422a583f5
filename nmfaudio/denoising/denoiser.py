"""Denoising of whole signals and of long recordings piece by piece, with the same result either way."""

import math
from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import check_choice, check_rate, checked
from ..audio.signal import as_blocks, as_signal
from ..compute.threads import ahead, n_cores
from ..dictionary import Dictionary, DictionaryLike
from ..errors import NmfaudioError
from ..spectra.aligned import Kept
from ..spectra.blocks import BlockSpectra, Frames, overlap_add, slices, windows
from ..spectra.front_end import powers
from ..spectra.stft import STFT
from .decomposition import decomposition_for
from .full_band import FullBandMask
from .gain import GainRule, sharpened
from .lines import LineStream, split_lines
from .low_end import LowEnd
from .noise_profile import noise_profile, profile_for

_LEAST_PIECE, _LARGEST_PIECE = 256, 4096  # 4 and 66 s at the default hop; the latter for each core
_PIECE_VALUES = 2**20
_AT_ONCE = 1024  # frames that get their gain and become sound
_MOST_CORES = 4  # that memory is spent on
_BEGIN_S = 1.0  # whose mean is the offset to begin with
_LEAST_BAND = 0.375  # of the modelled band, 3 kHz of 8: with less, speech is taken for noise


class Options:
    """Options that :class:`Denoiser` and :class:`nmfaudio.StreamingDenoiser` share; see there."""

    def __init__(
        self,
        dictionary: DictionaryLike,
        noise: DictionaryLike | None,
        attenuation_limit_db: float | None,
        strength: float,
        channels: str,
        keep_tones: bool,
    ) -> None:
        check_choice("channels", channels, ("linked", "independent"))
        self.dictionary = Dictionary.load(dictionary)
        self.noise = self.dictionary.profile if noise is None else profile_for(self.dictionary, noise)
        self.channels = channels
        settings = self.dictionary.settings
        if attenuation_limit_db is None:
            attenuation_limit_db = settings.get("attenuation_limit_db", 40.0)
        self.mask_power = float(settings.get("mask_power", 1.0))
        self.gain_rule = GainRule(strength, attenuation_limit_db)
        self._gain_of_lines = np.float32(1.0 if keep_tones else self.gain_rule.least)

    @checked
    def stft(self, sr: float) -> STFT:
        """Return the transform at a sampling rate in Hz.

        Raises
        ------
        NmfaudioError
            If the rate leaves too little of the band that the dictionary models.
        """
        check_rate(sr)
        front_end = self.dictionary.front_end
        full_hz = 2 * (front_end.n_bins - 1) / front_end.window_s
        if sr < _LEAST_BAND * full_hz:
            raise NmfaudioError(
                f"sampling rate {sr:g} Hz: too little of a voice is left for this dictionary, which needs "
                f"{math.ceil(_LEAST_BAND * full_hz)} Hz or more: take a recording with a higher rate"
            )
        return front_end.stft(sr)


class Denoiser(Options):
    """Take the noise out of speech.

    Parameters
    ----------
    dictionary : str, path or Dictionary
        Name of a shipped dictionary, file, or a loaded one.
    noise : path or Dictionary, optional
        The noise alone: a profile from :func:`nmfaudio.noise_profile`, an ``.npz`` file with one, or a sound file.
        By default the profile that the dictionary carries, if it has one. A profile of another noise does harm.
    attenuation_limit_db : float, optional
        No bin is lowered by more than this many decibels; 0 returns the input exactly.
        By default the dictionary's own limit.
    strength : float
        Factor on the attenuation in decibels; 0 returns the input exactly.
    channels : {"linked", "independent"}
        One gain for all channels, which keeps the stereo image, or one for each.
    keep_tones : bool
        Leave steady tones below 1.6 kHz as they are, such as a tuning fork or a held note; by default they are taken
        for hum.

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

    @checked
    def __init__(
        self,
        dictionary: DictionaryLike = "speech",
        *,
        noise: DictionaryLike | None = None,
        attenuation_limit_db: float | None = None,
        strength: float = 1.0,
        channels: str = "linked",
        keep_tones: bool = False,
    ) -> None:
        super().__init__(dictionary, noise, attenuation_limit_db, strength, channels, keep_tones)
        self._decomposition = decomposition_for(self.dictionary, self.noise)
        self._full_band = FullBandMask.around(self._waits, self.dictionary.front_end.n_bins)

    @checked
    def __call__(self, y: ArrayLike, sr: float) -> NDArray[np.floating]:
        """Denoise a signal.

        Parameters
        ----------
        y : array_like, shape (samples,) or (channels, samples)
            Float, or integers that are scaled to full scale 1.
        sr : float
            Sampling rate in Hz, 6000 or more for the shipped dictionaries.

        Returns
        -------
        ndarray, shape of y
            float64 for float64 input and for integers of more than 16 bits, otherwise float32.

        Raises
        ------
        NmfaudioError
            If the signal has another shape, holds NaN, infinity or values beyond 1e10, or the rate is too low.
        """
        y = as_signal(y)
        if self.gain_rule.changes_nothing or not y.size:
            return y.copy()
        pieces = list(self.process_blocks([np.atleast_2d(y).astype(np.float32, copy=False)], sr))
        return np.concatenate(pieces, axis=1).reshape(y.shape).astype(y.dtype, copy=False)

    @checked
    def process_blocks(self, blocks: Iterable[ArrayLike], sr: float) -> Iterator[NDArray[np.floating]]:
        """Denoise a recording of any length in constant memory.

        Parameters
        ----------
        blocks : iterable of array_like, shape (channels, samples)
            The recording in order, in blocks of any length; values as for a whole signal.
        sr : float
            Sampling rate in Hz.

        Yields
        ------
        ndarray, shape (channels, samples)
            The cleaned recording, float32, or exactly the input where the options change nothing. Lengths differ from
            those of the input blocks; their sum does not.

        Raises
        ------
        NmfaudioError
            As for a whole signal; samples are counted from the beginning of their block.
        """
        check_rate(sr)
        if self.gain_rule.changes_nothing:
            yield from as_blocks(blocks)
            return
        split = Kept(self._split_lines(blocks, sr))
        spectra = self._spectra((rest for rest, _ in split), sr)
        cleaned = (Y * np.stack([*map(self.gain_rule, masks)]) for Y, masks in self._masks(spectra))
        for y in overlap_add(spectra.stft, cleaned, lambda: spectra.n_samples):
            _, lines = split.take(y.shape[1])
            yield y + self._gain_of_lines * lines

    @checked
    def masks(self, blocks: Iterable[ArrayLike], sr: float) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Compute the share of speech in each bin of a recording, from which `gain_rule` makes the gains.

        Parameters
        ----------
        blocks, sr
            As for :meth:`process_blocks`.

        Yields
        ------
        Y : ndarray of complex, shape (channels, B, n)
            Spectra of the next frames, by :meth:`stft`: of the recording without its offset and without steady lines,
            which get the gain of a mask of 0.
        masks : list of ndarray, shape (B, n)
            Share of speech, from 0 to 1: one for all channels, or one for each.

        Raises
        ------
        NmfaudioError
            As for :meth:`process_blocks`.
        """
        yield from self._masks(self._spectra((rest for rest, _ in self._split_lines(blocks, sr)), sr))

    @property
    def _waits(self) -> bool:
        """True if later samples are waited for."""
        return self._decomposition.future_frames > 0

    def _split_lines(self, blocks: Iterable[ArrayLike], sr: float) -> Iterator[np.ndarray]:
        """Split sound into rest and steady lines, shape (2, channels, samples); as a stream does if nothing waits."""
        sound = as_blocks(blocks)
        return split_lines(sound, sr) if self._waits else _as_stream(sound, sr)

    def _spectra(self, blocks: Iterable[np.ndarray], sr: float) -> BlockSpectra:
        """Spectra of twice as many channels: those to be cleaned, and the same as the analysis takes them."""
        stft = self.stft(sr)
        n_begin = round(_BEGIN_S * sr) if self._waits else stft.hop_length  # as a stream has it
        return BlockSpectra(stft, _split(blocks, sr, n_begin))

    def _masks(self, spectra: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Yield spectra with their masks, a chunk at a time: windows -> mask -> mask of all bins."""
        model, band = self._decomposition, self._full_band
        halves = (np.split(Y, 2) for Y in spectra)
        frames = ((Y, P, self._spectrograms(P)) for Y, A in halves for P in [powers(A, self.channels)])
        pieces = windows(frames, model.past_frames, model.future_frames, model.segment_frames, _piece_frames)
        masked = slices(ahead(self._masked, pieces), _AT_ONCE)
        sharp = ((Y, P, sharpened(mask, self.mask_power)) for Y, P, mask in masked)
        for (Y, P, mask), now in windows(sharp, band.past_of_voice, band.future):
            masks = [self.dictionary.front_end.over_bins(m, P.shape[1]) for m in mask]
            yield Y[..., now], [band(*pair)[:, now] for pair in zip(P, masks, strict=True)]

    def _spectrograms(self, power: np.ndarray) -> np.ndarray:
        """Compressed magnitude V of each power spectrum, shape (channels, n_bins, n)."""
        return np.stack([self.dictionary.front_end.compressed(P) for P in power])

    def _masked(self, window: tuple[Frames, slice]) -> Frames:
        """Spectra, powers and masks of the frames of a window."""
        (Y, P, V), now = window
        return Y[..., now], P[..., now], np.stack([self._decomposition(v, now) for v in V])


def _as_stream(blocks: Iterable[np.ndarray], sr: float) -> Iterator[np.ndarray]:
    stream: LineStream | None = None
    for y in blocks:
        stream = stream or LineStream(sr, len(y))
        yield stream.push(y)


def _piece_frames(chunk: Frames) -> int:
    """Frames to decompose at once: many waste less on the context, many channels or bins take much memory."""
    n = min(n_cores(), _MOST_CORES)
    n_channels, n_bins, _ = chunk[0].shape
    fitting: int = n * _PIECE_VALUES // (n_channels * n_bins)
    return min(n * _LARGEST_PIECE, max(_LEAST_PIECE, fitting))


def _split(blocks: Iterable[np.ndarray], sr: float, n_begin: int) -> Iterator[np.ndarray]:
    """Yield blocks of twice as many channels: those to be cleaned, and the same as the analysis takes them."""
    blocks = iter(blocks)
    first: list[np.ndarray] = []
    n_first = 0
    for y in blocks:
        first.append(y)
        n_first += y.shape[1]
        if n_first >= n_begin:
            break
    if first:
        low_end = LowEnd(sr, len(first[0]), n_begin)
        for y in chain([np.concatenate(first, axis=1)], blocks):
            yield np.concatenate(low_end.push(y))


@checked
def denoise(
    y: ArrayLike,
    sr: float,
    *,
    dictionary: DictionaryLike = "speech",
    noise: DictionaryLike | NDArray[np.generic] | None = None,
    attenuation_limit_db: float | None = None,
    strength: float = 1.0,
    channels: str = "linked",
    keep_tones: bool = False,
) -> NDArray[np.floating]:
    """Take the noise out of a signal.

    For many signals make one :class:`Denoiser`, which loads the dictionary once.

    Parameters
    ----------
    y : array_like, shape (samples,) or (channels, samples)
        Float, or integers that are scaled to full scale 1.
    sr : float
        Sampling rate in Hz, 6000 or more for the shipped dictionaries.
    dictionary : str, path or Dictionary
        Name of a shipped dictionary, file, or a loaded one.
    noise : ndarray, path or Dictionary, optional
        The noise alone: samples at the same rate, or as for :class:`Denoiser`.
    attenuation_limit_db : float, optional
        No bin is lowered by more than this many decibels; 0 returns the input exactly.
    strength : float
        Factor on the attenuation in decibels; 0 returns the input exactly.
    channels : {"linked", "independent"}
        One gain for all channels, which keeps the stereo image, or one for each.
    keep_tones : bool
        Leave steady tones below 1.6 kHz as they are; by default they are taken for hum.

    Returns
    -------
    ndarray, shape of y
        float64 for float64 input and for integers of more than 16 bits, otherwise float32.

    Raises
    ------
    NmfaudioError
        For a signal, an option or a dictionary that cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> import nmfaudio
    >>> nmfaudio.denoise(np.zeros(1000, np.float32), sr=48000).shape
    (1000,)
    """
    profile = noise_profile(noise, sr, dictionary) if isinstance(noise, np.ndarray) else noise
    denoiser = Denoiser(
        dictionary,
        noise=profile,
        attenuation_limit_db=attenuation_limit_db,
        strength=strength,
        channels=channels,
        keep_tones=keep_tones,
    )
    return denoiser(y, sr)
