"""Denoising of a stream, block by block, with a causal dictionary."""

from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import check_count, checked
from ..audio.signal import check_sound, to_float
from ..dictionary import DictionaryLike
from ..errors import AudioError, NmfaudioError
from ..spectra.front_end import powers
from ..spectra.streaming_stft import StreamingSTFT
from .denoiser import Options
from .full_band import FullBandMask, FullBandMaskStream
from .gain import sharpened
from .lines import LineStream
from .low_end import LowEnd
from .unfolded.decomposition import stages_below, stages_of
from .unfolded.stream import DecompositionStream


class StreamingDenoiser(Options):
    """Take the noise out of a stream: as many samples out as in, late by a constant `latency`.

    The output does not depend on how the stream is cut into blocks, and is that of :class:`nmfaudio.Denoiser` with
    the same causal dictionary.

    Parameters
    ----------
    dictionary : str, path or Dictionary
        A causal unfolded dictionary.
    sr : float
        Sampling rate in Hz.
    n_channels : int
        Channels of the stream.
    noise, attenuation_limit_db, strength, channels, keep_tones
        See :class:`nmfaudio.Denoiser`. Where they change nothing, the input comes back but for rounding.

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

    @checked
    def __init__(
        self,
        dictionary: DictionaryLike = "speech-causal",
        *,
        sr: float,
        n_channels: int = 1,
        noise: DictionaryLike | None = None,
        attenuation_limit_db: float | None = None,
        strength: float = 1.0,
        channels: str = "linked",
        keep_tones: bool = False,
    ) -> None:
        super().__init__(dictionary, noise, attenuation_limit_db, strength, channels, keep_tones)
        check_count("n_channels", n_channels)
        if self.dictionary.kind != "unfolded":
            raise NmfaudioError(f"a stream needs an unfolded dictionary, not one of kind {self.dictionary.kind!r}")
        stft = self.stft(sr)
        self._hop = stft.hop_length
        self.latency = stft.overlap + stft.hop_length
        self._stft, self._analysis = (StreamingSTFT(stft, n_channels) for _ in range(2))
        self._low_end = LowEnd(sr, n_channels, self._hop)
        self._lines = LineStream(sr, n_channels)
        self._late_lines = np.zeros((n_channels, stft.overlap), np.float32)
        n_gains = 1 if channels == "linked" else n_channels
        n_rows = len(self.dictionary.front_end.rows(np.zeros(stft.n_bins, np.float32)))
        stages = stages_below(stages_of(self.dictionary), n_rows)
        profile = None if self.noise is None else self.noise.arrays["noise"]
        band = FullBandMask.around(False, self.dictionary.front_end.n_bins)
        self._streams = [
            (DecompositionStream(stages, profile), FullBandMaskStream(band, stft.n_bins)) for _ in range(n_gains)
        ]
        self._shared = [self.dictionary, self.noise, profile, stft, *stages, *(stage.context for stage in stages)]
        self._input = np.zeros((n_channels, self._hop), np.float32)
        self._ready = np.zeros((n_channels, self._hop), np.float32)
        self._at = self._n_sound = 0  # samples of the present hop, and those that are sound
        self._clean_hop(self._input, self._hop)  # compiles what is not compiled yet
        self.reset()

    def process(self, block: ArrayLike) -> NDArray[np.float32]:
        """Take a block of the stream and give as much back.

        Parameters
        ----------
        block : array_like, shape (samples,) or (n_channels, samples)
            Float, or integers that are scaled to full scale 1; any number of samples.

        Returns
        -------
        ndarray, shape of block, float32

        Raises
        ------
        AudioError
            If the block has another number of channels, or holds NaN, infinity or what is beyond 1e10.
        """
        block = to_float(block)
        y = np.atleast_2d(block)
        if y.ndim != 2 or len(y) != len(self._input):
            n = len(self._input)
            raise AudioError(f"block of shape {block.shape}: this stream has {n} channel(s): give ({n}, samples)")
        check_sound(y)
        return self._pass(y, sound=True).reshape(block.shape)

    def _pass(self, y: np.ndarray, sound: bool) -> np.ndarray:
        """Process samples, or the silence after the last of them."""
        out = np.empty(y.shape, np.float32)
        done = 0
        while done < y.shape[1]:
            n = min(self._hop - self._at, y.shape[1] - done)
            now = slice(self._at, self._at + n)
            self._input[:, now] = y[:, done : done + n]
            out[:, done : done + n] = self._ready[:, now]
            self._at += n
            self._n_sound += n * sound
            done += n
            if self._at == self._hop:
                self._ready[:] = self._clean_hop(self._input, self._n_sound)
                self._at = self._n_sound = 0
        return out

    def flush(self) -> NDArray[np.float32]:
        """Return the last `latency` samples, shape (samples,) for one channel, and start again."""
        out = self._pass(np.zeros((len(self._input), self.latency), np.float32), sound=False)
        self.reset()
        return out[0] if len(out) == 1 else out

    def reset(self) -> None:
        """Forget the past."""
        self._stft.reset()
        self._analysis.reset()
        self._low_end.reset()
        self._lines.reset()
        self._late_lines[:] = 0
        for decomposition, band in self._streams:
            decomposition.reset()
            band.reset()
        self._ready[:] = 0
        self._at = self._n_sound = 0

    def copy(self) -> "StreamingDenoiser":
        """Return an independent stream with the same past; both share the dictionary."""
        return deepcopy(self)

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> "StreamingDenoiser":
        """Copy the past, share the rest."""
        memo |= {id(part): part for part in self._shared}
        twin = object.__new__(type(self))
        twin.__dict__.update(deepcopy(self.__dict__, memo))
        return twin

    def _clean_hop(self, samples: np.ndarray, n_sound: int) -> np.ndarray:
        if self.gain_rule.changes_nothing:
            return self._stft.synthesise(self._stft.analyse(samples))
        x, analysed, lines = np.zeros((3, *samples.shape), np.float32)
        rest, lines[:, :n_sound] = self._lines.push(samples[:, :n_sound])
        x[:, :n_sound], analysed[:, :n_sound] = self._low_end.push(rest)
        Y = self._stft.analyse(x)
        pairs = zip(powers(self._analysis.analyse(analysed), self.channels), self._streams, strict=True)
        gains = [self._gain(power, stream) for power, stream in pairs]
        Y *= gains[0] if len(gains) == 1 else np.stack(gains)
        lines = np.concatenate([self._late_lines, lines], axis=1)
        self._late_lines[:] = lines[:, self._hop :]
        return self._stft.synthesise(Y) + self._gain_of_lines * lines[:, : self._hop]

    def _gain(self, power: np.ndarray, stream: tuple[DecompositionStream, FullBandMaskStream]) -> np.ndarray:
        decomposition, band = stream
        front_end = self.dictionary.front_end
        mask = decomposition.push(front_end.compressed(power))
        mask = front_end.over_bins(mask[:, None], len(power))[:, 0]
        return self.gain_rule(band.push(power, sharpened(mask, self.mask_power)))
