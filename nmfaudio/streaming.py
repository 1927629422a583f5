"""Denoising of a stream, block by block, with a causal dictionary."""

from copy import deepcopy
from typing import Any

import numpy as np

from .decompose.stream import DecompositionStream
from .decompose.unfolded import stages_of
from .denoiser import compressed, gain_rule, powers
from .dictionary import Dictionary
from .errors import AudioError, NmfaudioError
from .gain import power_mask
from .high_band import HighBand, HighBandStream
from .stft import STFT, StreamingSTFT


class StreamingDenoiser:
    """Takes the noise out of a stream: as many samples out as in, late by a constant `latency`.

    The output does not depend on how the stream is cut into blocks, and is that of :class:`nmfaudio.Denoiser` with
    the same causal dictionary.

    Parameters
    ----------
    sr : float
        Sampling rate in Hz.
    n_channels : int
        Channels of the stream.
    dictionary : str, path or Dictionary
        A causal unfolded dictionary.
    attenuation_limit_db, strength, channels
        See :class:`nmfaudio.Denoiser`.

    Attributes
    ----------
    latency : int
        Delay of the output in samples; 32 ms.

    Raises
    ------
    NmfaudioError
        If the dictionary looks ahead or an option is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio import StreamingDenoiser
    >>> stream = StreamingDenoiser(sr=16000)
    >>> block = np.zeros(100, np.float32)
    >>> stream.process(block).shape, stream.latency
    ((100,), 512)
    >>> stream.flush().shape
    (512,)
    """

    def __init__(
        self,
        sr: float,
        n_channels: int = 1,
        dictionary: Any = "speech-causal",
        *,
        attenuation_limit_db: float | None = None,
        strength: float = 1.0,
        channels: str = "linked",
    ):
        if channels not in ("linked", "independent"):
            raise NmfaudioError(f"channels {channels!r}: choose 'linked' or 'independent'")
        if n_channels < 1:
            raise NmfaudioError(f"n_channels {n_channels}: a stream has at least one channel")
        self.dictionary = dictionary if isinstance(dictionary, Dictionary) else Dictionary.load(dictionary)
        if self.dictionary.kind != "unfolded":
            raise NmfaudioError(f"a stream needs an unfolded dictionary, not one of kind {self.dictionary.kind!r}")
        self.gain_rule = gain_rule(self.dictionary, strength, attenuation_limit_db)
        self.channels = channels
        front_end = self.dictionary.front_end
        stft = STFT.for_rate(sr, front_end.window_s, front_end.hop_s, front_end.window)
        self._hop = stft.hop_length
        self.latency = stft.overlap + stft.hop_length
        self._stft = StreamingSTFT(stft, n_channels)
        n_gains = 1 if channels == "linked" else n_channels
        n_above = max(0, stft.n_bins - front_end.n_bins)
        self._streams = [
            (DecompositionStream(stages_of(self.dictionary)), HighBandStream(HighBand.looking(ahead=False), n_above))
            for _ in range(n_gains)
        ]
        self._heard = np.zeros((n_channels, self._hop), np.float32)
        self._ready = np.zeros((n_channels, self._hop), np.float32)
        self._at = 0
        self._clean_hop(self._heard)  # compiles what is not compiled yet
        self.reset()

    def process(self, block: np.ndarray) -> np.ndarray:
        """Take a block of the stream and give as much back.

        Parameters
        ----------
        block : ndarray, shape (samples,) or (n_channels, samples)
            Float; any number of samples.

        Returns
        -------
        ndarray, shape of block, float32

        Raises
        ------
        AudioError
            If the block has another number of channels, or holds NaN or infinity.
        """
        block = np.asarray(block)
        y = np.atleast_2d(block)
        if y.ndim != 2 or len(y) != len(self._heard):
            raise AudioError(f"block of shape {block.shape}: this stream has {len(self._heard)} channel(s)")
        if block.dtype.kind != "f":
            raise AudioError(f"block of type {block.dtype}: give float samples, full scale 1")
        if not np.isfinite(y).all():
            raise AudioError("block holds NaN or infinity: replace them first, for example with numpy.nan_to_num")
        out = np.empty(y.shape, np.float32)
        done = 0
        while done < y.shape[1]:
            n = min(self._hop - self._at, y.shape[1] - done)
            now = slice(self._at, self._at + n)
            self._heard[:, now] = y[:, done : done + n]
            out[:, done : done + n] = self._ready[:, now]
            self._at += n
            done += n
            if self._at == self._hop:
                self._ready[:] = self._clean_hop(self._heard)
                self._at = 0
        return out.reshape(block.shape)

    def flush(self) -> np.ndarray:
        """Give the last `latency` samples, shape (samples,) for one channel, and begin anew."""
        out = self.process(np.zeros((len(self._heard), self.latency), np.float32))
        self.reset()
        return out[0] if len(out) == 1 else out

    def reset(self) -> None:
        """Forget all that was heard."""
        self._stft.reset()
        for stream in self._streams:
            for part in stream:
                part.reset()
        self._ready[:] = 0
        self._at = 0

    def copy(self) -> "StreamingDenoiser":
        """Stream that goes on from here by itself; the dictionary is shared."""
        return deepcopy(self, {id(self.dictionary): self.dictionary})

    def _clean_hop(self, heard: np.ndarray) -> np.ndarray:
        Y = self._stft.analyse(heard)
        if not self.gain_rule.changes_nothing:
            spectra = powers(Y, self.channels)
            Y = Y * np.stack([self._gain(*pair) for pair in zip(spectra, self._streams, strict=True)])
        return self._stft.synthesise(Y)

    def _gain(self, power: np.ndarray, stream: tuple[DecompositionStream, HighBandStream]) -> np.ndarray:
        decomposition, high_band = stream
        S, N = decomposition.push(compressed(power, self.dictionary.front_end))
        mask = power_mask(S, N, self.gain_rule.mask_power)[: len(power), 0]
        if len(power) > len(mask):
            mask = np.concatenate([mask, high_band.push(power[len(mask) :], mask)])
        return self.gain_rule(mask)
