"""Front end: the one place that turns a signal into the non-negative spectrogram V."""

from dataclasses import dataclass

import numpy as np

from ..arguments import checked, shown
from ..errors import DictionaryError
from .stft import STFT


@dataclass(frozen=True)
class FrontEnd:
    """Settings that turn a signal into the spectrogram V that atoms describe.

    Parameters
    ----------
    sr : int
        Sampling rate that the atoms were trained at, in Hz.
    window_s, hop_s : float
        Window and hop in seconds. They hold at any rate, so bin k is the same frequency at every rate.
    window : str
        Name of the analysis window.
    n_bins : int
        Number of frequency bins F, from 0 Hz up.
    exponent : float
        Compression: ``V = abs(stft) ** exponent``.

    Raises
    ------
    DictionaryError
        If a value is not a positive number, or of another type.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio import FrontEnd
    >>> FrontEnd().spectrogram(np.ones(16000, np.float32), sr=16000).shape
    (257, 64)
    """

    sr: int = 16000
    window_s: float = 0.032
    hop_s: float = 0.016
    window: str = "sqrt_hann"
    n_bins: int = 257
    exponent: float = 0.7

    def __post_init__(self) -> None:
        """Refuse what no front end can be."""
        for name, most in (("sr", 1_000_000), ("window_s", 10), ("hop_s", 10), ("n_bins", 2**16), ("exponent", 10)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= most:
                raise DictionaryError(f"front end: {name} must be a positive number up to {most}, not {shown(value)}")
        if not (isinstance(self.sr, int) and isinstance(self.n_bins, int)):
            raise DictionaryError(f"front end: sr and n_bins must be integers, not {self.sr!r} and {self.n_bins!r}")
        if not isinstance(self.window, str):
            raise DictionaryError(f"front end: window must be a name, not {shown(self.window)}")

    def stft(self, sr: float) -> STFT:
        """Return the short-time Fourier transform at a sampling rate in Hz."""
        return STFT.for_rate(sr, self.window_s, self.hop_s, self.window)

    @checked
    def spectrogram(self, y: np.ndarray, sr: float) -> np.ndarray:
        """Return the compressed magnitude V of a signal.

        Parameters
        ----------
        y : ndarray, shape (..., samples)
            Float signal.
        sr : float
            Sampling rate in Hz.

        Returns
        -------
        ndarray, shape (..., n_bins, N)
            float32 for a float32 signal; zero above the band of the recording.
        """
        V = magnitudes(self.stft(sr).analysis(y), self.n_bins, self.exponent)
        missing = self.n_bins - V.shape[-2]
        return np.pad(V, (*[(0, 0)] * (V.ndim - 2), (0, missing), (0, 0))) if missing else V

    def compressed(self, power: np.ndarray) -> np.ndarray:
        """Return the compressed magnitude of a power spectrum.

        Parameters
        ----------
        power : ndarray, shape (F, ...)
            Squared magnitudes, frequency first.

        Returns
        -------
        ndarray, shape (n_bins, ...)
            Zero above the band of the recording.
        """
        V = power[: self.n_bins] ** np.float32(self.exponent / 2)
        missing = self.n_bins - len(V)
        return np.pad(V, ((0, missing), *[(0, 0)] * (V.ndim - 1))) if missing else V


def magnitudes(Y: np.ndarray, n_bins: int, exponent: float) -> np.ndarray:
    """Return the compressed magnitudes ``abs(Y) ** exponent`` of the first `n_bins` bins, or of all if there are fewer.

    Parameters
    ----------
    Y : ndarray, shape (..., F, N)
        Complex spectra.
    n_bins : int
        Bins from 0 Hz up.
    exponent : float
        Compression.

    Returns
    -------
    ndarray, shape (..., min(F, n_bins), N)
    """
    V: np.ndarray = np.abs(Y[..., :n_bins, :]) ** Y.real.dtype.type(exponent)
    return V


def powers(Y: np.ndarray, channels: str) -> np.ndarray:
    """Return the power of each bin, averaged over linked channels.

    Parameters
    ----------
    Y : ndarray, shape (channels, F, ...)
        Complex spectra.
    channels : {"linked", "independent"}
        One mean for all channels, or each channel by itself.

    Returns
    -------
    ndarray, shape (1, F, ...) or (channels, F, ...)
    """
    power: np.ndarray = Y.real**2 + Y.imag**2
    return power.mean(axis=0, keepdims=True) if channels == "linked" and len(power) > 1 else power
