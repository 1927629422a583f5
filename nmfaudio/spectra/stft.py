"""Short-time Fourier transform of a whole signal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from ..arguments import check_count, check_rate, checked
from ..errors import NmfaudioError

# The overlapping squared windows may dip to this share of their peak; below it, rounding errors become audible.
_DEEPEST_DIP = 0.01


@dataclass(frozen=True, eq=False)
class STFT:
    """Short-time Fourier transform with perfect reconstruction.

    The signal is padded with zeros, ``overlap`` of them in front, so that every sample lies under as many windows as
    any other and frame `t` ends with sample ``(t + 1) * hop_length - 1``: no frame looks ahead.
    Synthesis overlaps and adds frames under the window ``w / sum(w**2)``, the least-squares inverse of
    Griffin and Lim, "Signal estimation from modified short-time Fourier transform" (1984), equation 6.

    Parameters
    ----------
    n_fft
        Points of the FFT; frames shorter than this are padded with zeros.
    hop_length
        Samples from one frame to the next.
    win_length
        Samples in a frame; `n_fft` unless given.
    window
        "sqrt_hann" (periodic), any window that `scipy.signal.get_window` knows, or its `win_length` samples.

    Raises
    ------
    NmfaudioError
        If sizes do not fit each other, or window and hop cannot give the signal back.

    Examples
    --------
    >>> import numpy as np
    >>> stft = STFT(n_fft=512, hop_length=256)
    >>> y = np.random.default_rng(0).standard_normal((2, 1000)).astype(np.float32)
    >>> Y = stft(y)
    >>> Y.shape, Y.dtype
    ((2, 257, 5), dtype('complex64'))
    >>> bool(np.abs(stft.synthesis(Y, length=1000) - y).max() < 1e-6)
    True
    """

    n_fft: int
    hop_length: int
    win_length: int | None = None
    window: str | tuple[Any, ...] | NDArray[np.floating] = "sqrt_hann"
    analysis_window: NDArray[np.float64] = field(init=False, repr=False)
    synthesis_window: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check that the sizes fit, and make the windows."""
        win_length = self.n_fft if self.win_length is None else self.win_length
        for name, value in (("n_fft", self.n_fft), ("hop_length", self.hop_length), ("win_length", win_length)):
            check_count(name, value)
        if not 1 <= self.hop_length <= win_length <= self.n_fft:
            raise NmfaudioError(
                f"hop_length {self.hop_length}, win_length {win_length} and n_fft {self.n_fft} do not fit: "
                "choose 1 <= hop_length <= win_length <= n_fft"
            )
        w = _window_samples(self.window, win_length)
        n_hops = -(-win_length // self.hop_length)
        squares = np.zeros(n_hops * self.hop_length)
        squares[:win_length] = w**2
        overlapped = squares.reshape(n_hops, self.hop_length).sum(axis=0)
        if not overlapped.min() > _DEEPEST_DIP * overlapped.max():
            name = "the given window" if isinstance(self.window, np.ndarray) else f"window {self.window!r}"
            raise NmfaudioError(
                f"{name} of {win_length} samples with hop_length {self.hop_length} cannot give the signal back "
                "(some samples are hardly covered): choose a smaller hop_length or another window"
            )
        set_field = object.__setattr__
        set_field(self, "win_length", win_length)
        set_field(self, "analysis_window", w)
        set_field(self, "synthesis_window", w / np.tile(overlapped, n_hops)[:win_length])

    @classmethod
    @checked
    def for_rate(
        cls, sr: float, window_s: float = 0.032, hop_s: float = 0.016, window: str | tuple[Any, ...] = "sqrt_hann"
    ) -> STFT:
        """STFT with frames of the same duration at any sampling rate.

        Durations are kept within 0.5 % so that the FFT has small prime factors only: bin `k` lies at ``k / window_s``
        Hz at every rate, and one dictionary serves all rates without resampling.

        Parameters
        ----------
        sr
            Sampling rate in Hz.
        window_s, hop_s
            Seconds in a frame, and from one frame to the next.
        window
            As in `STFT`.

        Examples
        --------
        >>> [STFT.for_rate(sr).n_fft for sr in (8000, 11025, 16000, 22050, 44100, 48000)]
        [256, 352, 512, 704, 1408, 1536]
        """
        check_rate(sr)
        exact, ratio = hop_s * sr, window_s / hop_s
        if not (exact >= 1 and ratio >= 1):
            raise NmfaudioError(f"no frames of {window_s} s every {hop_s} s at a sampling rate of {sr} Hz")
        candidates = [h for h in range(int(exact * 0.99), int(exact * 1.01) + 2) if abs(h - exact) <= 0.005 * exact]
        fast = [h for h in candidates if _largest_prime(round(h * ratio)) <= 11]
        hop_length = min(fast, key=lambda h: abs(h - exact), default=round(exact))
        return cls(round(hop_length * ratio), hop_length, window=window)

    @property
    def n_bins(self) -> int:
        """Number of frequency bins, F."""
        return self.n_fft // 2 + 1

    @property
    def overlap(self) -> int:
        """Samples that a frame shares with those after it: the delay of a streaming synthesis."""
        return len(self.analysis_window) - self.hop_length

    @property
    def amplitude_scale(self) -> float:
        """Factor that turns the magnitude of a bin into the amplitude of a sine there, at any rate and window."""
        return 2.0 / float(self.analysis_window.sum())

    @checked
    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames, N, of a signal of `n_samples` samples."""
        return -(-(n_samples + self.overlap) // self.hop_length) if n_samples else 0

    def __call__(self, y: ArrayLike) -> NDArray[np.complexfloating]:
        """Spectrum of a signal; the same as `analysis`."""
        return self.analysis(y)

    def analysis(self, y: ArrayLike) -> NDArray[np.complexfloating]:
        """Spectrum of a signal.

        Parameters
        ----------
        y
            Real signal, shape (..., samples).

        Returns
        -------
        Y
            Spectrum, shape (..., F, N), C order; complex64 for float32 and complex128 for float64.
        """
        y = np.asarray(y)
        if y.ndim == 0 or y.dtype.kind not in "fiu":
            raise NmfaudioError(f"an STFT needs a real signal (..., samples), not {y.dtype} of shape {y.shape}")
        dtype = np.result_type(y, np.float32)
        n_frames = self.n_frames(y.shape[-1])
        if n_frames == 0:
            return np.zeros((*y.shape[:-1], self.n_bins, 0), np.result_type(dtype, np.complex64))
        padded = np.zeros((*y.shape[:-1], n_frames * self.hop_length + self.overlap), dtype)
        padded[..., self.overlap : self.overlap + y.shape[-1]] = y
        w = (self.analysis_window * self.n_fft).astype(dtype)  # undone by norm="forward", else NumPy takes float64
        frames = sliding_window_view(padded, len(w), axis=-1)[..., :: self.hop_length, :] * w
        Y = np.empty((*y.shape[:-1], self.n_bins, n_frames), np.result_type(dtype, np.complex64))
        np.fft.rfft(frames, self.n_fft, norm="forward", out=Y.swapaxes(-1, -2))
        return Y

    @checked
    def synthesis(self, Y: NDArray[np.complexfloating], length: int) -> NDArray[np.floating]:
        """Signal of a spectrum.

        Parameters
        ----------
        Y
            Spectrum, shape (..., F, N).
        length
            Samples of the signal; `n_frames` of it must be N.

        Returns
        -------
        y
            Signal, shape (..., length); float32 for complex64 and float64 for complex128.
        """
        if Y.ndim < 2 or Y.shape[-2] != self.n_bins or Y.shape[-1] != self.n_frames(length):
            raise NmfaudioError(
                f"a spectrum of {length} samples has shape (..., {self.n_bins}, {self.n_frames(length)}), not {Y.shape}"
            )
        n_frames, hop = Y.shape[-1], self.hop_length
        dtype = Y.real.dtype
        if n_frames == 0:
            return np.zeros((*Y.shape[:-2], 0), dtype)
        w = self.synthesis_window.astype(dtype)
        frames = np.empty((*Y.shape[:-2], n_frames, self.n_fft), dtype)
        np.fft.irfft(Y.swapaxes(-1, -2), self.n_fft, out=frames)
        frames = frames[..., : len(w)] * w
        n_hops = -(-len(w) // hop)
        hops = np.zeros((*Y.shape[:-2], n_frames + n_hops - 1, hop), dtype)
        for k in reversed(range(n_hops)):  # the oldest frame first, as in a stream
            part = frames[..., k * hop : (k + 1) * hop]
            hops[..., k : k + n_frames, : part.shape[-1]] += part
        return hops.reshape(*Y.shape[:-2], -1)[..., self.overlap : self.overlap + length]


def _window_samples(window: str | tuple[Any, ...] | NDArray[np.floating], win_length: int) -> NDArray[np.float64]:
    if isinstance(window, str) and window == "sqrt_hann":
        return np.sin(np.pi * np.arange(win_length) / win_length)
    if isinstance(window, np.ndarray):
        if window.shape != (win_length,) or not np.isfinite(window).all():
            raise NmfaudioError(f"a window needs {win_length} finite samples, not an array of shape {window.shape}")
        return window.astype(np.float64)
    from scipy.signal import get_window

    try:
        return np.asarray(get_window(window, win_length, fftbins=True), np.float64)
    except ValueError as error:
        raise NmfaudioError(f"window {window!r} cannot be used: {error}") from error


def _largest_prime(n: int) -> int:
    """Return the largest prime factor of `n`."""
    factor = 2
    while factor < n:
        if n % factor:
            factor += 1
        else:
            n //= factor
    return n
