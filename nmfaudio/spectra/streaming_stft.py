"""Short-time Fourier transform of a stream, one hop of samples at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..arguments import check_count, checked, shown
from ..errors import NmfaudioError
from .stft import STFT


class StreamingSTFT:
    """Twin of `STFT` that takes and gives one hop of samples at a time.

    Parameters
    ----------
    stft
        The transform whose numbers are computed.
    n_channels
        Channels, C.
    dtype
        float32 or float64.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio import STFT
    >>> from nmfaudio.spectra.streaming_stft import StreamingSTFT
    >>> stream = StreamingSTFT(STFT(n_fft=512, hop_length=256), n_channels=1)
    >>> block = np.ones((1, 256), np.float32)
    >>> silence = stream.synthesise(stream.analyse(block))  # late by stft.overlap samples
    >>> bool(np.allclose(stream.synthesise(stream.analyse(block)), 1, atol=1e-6))
    True
    """

    @checked
    def __init__(self, stft: STFT, n_channels: int, dtype: DTypeLike = np.float32) -> None:
        check_count("n_channels", n_channels)
        if not isinstance(dtype, (type, np.dtype)) or dtype not in (np.float32, np.float64):
            raise NmfaudioError(f"dtype must be float32 or float64, not {shown(dtype)}")
        self.stft = stft
        self._analysis_window = (stft.analysis_window * stft.n_fft).astype(dtype)
        self._synthesis_window = stft.synthesis_window.astype(dtype)
        self._input = np.zeros((n_channels, len(self._analysis_window)), dtype)
        self._frame = np.zeros_like(self._input)
        self._sum = np.zeros_like(self._input)

    def analyse(self, block: NDArray[np.floating]) -> NDArray[np.complexfloating]:
        """Return the spectrum (C, F) of the frame that ends with this block of samples (C, hop_length)."""
        hop = self.stft.hop_length
        self._input[:, :-hop] = self._input[:, hop:]
        self._input[:, -hop:] = block
        np.multiply(self._input, self._analysis_window, out=self._frame)
        return np.fft.rfft(self._frame, self.stft.n_fft, norm="forward")

    def synthesise(self, spectrum: NDArray[np.complexfloating]) -> NDArray[np.floating]:
        """Return the samples (C, hop_length) that are complete with this spectrum (C, F): late by `STFT.overlap`."""
        hop = self.stft.hop_length
        frame = np.fft.irfft(spectrum, self.stft.n_fft)[:, : self._sum.shape[1]]
        frame *= self._synthesis_window
        self._sum += frame
        complete = frame[:, :hop]
        complete[:] = self._sum[:, :hop]
        self._sum[:, :-hop] = self._sum[:, hop:]
        self._sum[:, -hop:] = 0
        return complete

    def reset(self) -> None:
        """Forget the past."""
        self._input[:] = 0
        self._sum[:] = 0

    def copy(self) -> StreamingSTFT:
        """Stream that goes on from here by itself."""
        twin = StreamingSTFT(self.stft, len(self._input), self._input.dtype)
        twin._input[:] = self._input
        twin._sum[:] = self._sum
        return twin
