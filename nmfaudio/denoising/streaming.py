"""Denoising of a stream, block by block, with a causal dictionary."""

from copy import deepcopy
from typing import Any

import numpy as np

from ..audio.signal import as_block
from ..errors import AudioError, NmfaudioError
from ..spectra.stft import StreamingSTFT
from .denoiser import Settings, compressed, powers
from .full_band import LongTerm, LongTermStream
from .gain import power_mask
from .unfolded.decomposition import stages_of
from .unfolded.stream import DecompositionStream


class StreamingDenoiser(Settings):
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
    noise, attenuation_limit_db, strength, channels
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
        noise: Any = None,
        attenuation_limit_db: float | None = None,
        strength: float = 1.0,
        channels: str = "linked",
    ) -> None:
        super().__init__(dictionary, noise, attenuation_limit_db, strength, channels)
        if n_channels < 1:
            raise NmfaudioError(f"n_channels {n_channels}: a stream has at least one channel")
        if self.dictionary.kind != "unfolded":
            raise NmfaudioError(f"a stream needs an unfolded dictionary, not one of kind {self.dictionary.kind!r}")
        stft = self._stft_at(sr)
        self._hop = stft.hop_length
        self.latency = stft.overlap + stft.hop_length
        self._stft = StreamingSTFT(stft, n_channels)
        n_gains = 1 if channels == "linked" else n_channels
        stages = stages_of(self.dictionary)
        profile = None if self.noise is None else self.noise.arrays["noise"]
        window, n_modelled = LongTerm.looking(ahead=False), self.dictionary.front_end.n_bins
        self._streams = [
            (DecompositionStream(stages, profile), LongTermStream(window, stft.n_bins, n_modelled))
            for _ in range(n_gains)
        ]
        self._shared = [self.dictionary, self.noise, profile, stft, *stages, *(stage.context for stage in stages)]
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
            Float, or integers that are scaled to full scale 1; any number of samples.

        Returns
        -------
        ndarray, shape of block, float32

        Raises
        ------
        AudioError
            If the block has another number of channels, or holds NaN, infinity or what is beyond 1e10.
        """
        block = np.asarray(block)
        y = np.atleast_2d(block)
        if y.ndim != 2 or len(y) != len(self._heard):
            raise AudioError(f"block of shape {block.shape}: this stream has {len(self._heard)} channel(s)")
        y = as_block(y)
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
        """Stream that goes on from here by itself; the dictionary and all that was made of it are shared."""
        return deepcopy(self)

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> "StreamingDenoiser":
        """Copy what was heard, share the rest."""
        memo |= {id(part): part for part in self._shared}
        twin = object.__new__(type(self))
        twin.__dict__.update(deepcopy(self.__dict__, memo))
        return twin

    def _clean_hop(self, heard: np.ndarray) -> np.ndarray:
        Y = self._stft.analyse(heard)
        if not self.gain_rule.changes_nothing:
            pairs = zip(powers(Y, self.channels), self._streams, strict=True)
            gains = [self._gain(power, stream) for power, stream in pairs]
            Y *= gains[0] if len(gains) == 1 else np.stack(gains)
        return self._stft.synthesise(Y)

    def _gain(self, power: np.ndarray, stream: tuple[DecompositionStream, LongTermStream]) -> np.ndarray:
        decomposition, long_term = stream
        S, N = decomposition.push(compressed(power, self.dictionary.front_end))
        return self.gain_rule(long_term.push(power, power_mask(S, N, self.gain_rule.mask_power)))
