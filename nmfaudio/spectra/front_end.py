"""Front end: the one place that turns a signal into the non-negative spectrogram V."""

from dataclasses import dataclass, replace
from functools import lru_cache

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
    n_high : int
        Number of bands above the bins, of equal width on a logarithmic axis. A band of V is the compressed root of the
        mean power of its bins. Bands that the rate of a recording cuts are not rows of its V.
    high_hz : float
        Upper edge of the highest band.

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
    n_high: int = 0
    high_hz: float = 20_000.0

    def __post_init__(self) -> None:
        """Refuse what no front end can be."""
        most_of = {"sr": 1e6, "window_s": 10, "hop_s": 10, "n_bins": 2**16, "exponent": 10, "high_hz": 1e6}
        for name, most in most_of.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= most:
                raise DictionaryError(f"front end: {name} must be a positive number up to {most:g}, not {shown(value)}")
        if not (isinstance(self.sr, int) and isinstance(self.n_bins, int)):
            raise DictionaryError(
                f"front end: sr and n_bins must be integers, not {shown(self.sr)} and {shown(self.n_bins)}"
            )
        if isinstance(self.n_high, bool) or not isinstance(self.n_high, int) or not 0 <= self.n_high <= 1000:
            raise DictionaryError(f"front end: n_high must be an integer from 0 to 1000, not {shown(self.n_high)}")
        if self.n_high and self.high_hz * self.window_s <= self.n_bins:
            raise DictionaryError(f"front end: high_hz {self.high_hz:g} lies within the bins; n_high must be 0")
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
        ndarray, shape (..., F, N)
            float32 for a float32 signal: all bins, zero above the band of the recording, and the bands that it has.
        """
        V = self.compressed(np.moveaxis(np.abs(self.stft(sr).analysis(y)) ** 2, -2, 0))
        return np.ascontiguousarray(np.moveaxis(V, 0, -2))

    def compressed(self, power: np.ndarray, n_high: int | None = None) -> np.ndarray:
        """Return the compressed magnitude of a power spectrum.

        Parameters
        ----------
        power : ndarray, shape (B, ...)
            Squared magnitudes of all bins of the transform, frequency first.
        n_high : int, optional
            Number of bands; by default those that the transform has.

        Returns
        -------
        ndarray, shape (F, ...)
            All bins, zero above the band of the recording, and the bands that it has.
        """
        V: np.ndarray = self.rows(power, n_high) ** power.dtype.type(self.exponent / 2)
        return V

    def rows(self, power: np.ndarray, n_high: int | None = None) -> np.ndarray:
        """Return the power of the rows of V: of each bin, and the mean of each band.

        Parameters
        ----------
        power : ndarray, shape (B, ...)
            Power of all bins of the transform.
        n_high : int, optional
            Number of bands; by default those that the transform has.

        Returns
        -------
        ndarray, shape (n_bins + n_high, ...)
        """
        n_high = self.n_high_below((len(power) - 1) / self.window_s) if n_high is None else n_high
        out = np.zeros((self.n_bins + n_high, *power.shape[1:]), power.dtype)
        out[: self.n_bins][: len(power)] = power[: self.n_bins]
        for band, start, stop in zip(range(self.n_bins, len(out)), self.high_edges, self.high_edges[1:], strict=False):
            out[band] = power[start:stop].mean(axis=0)
        return out

    def bins_alone(self) -> "FrontEnd":
        """Return the front end without the bands, for what all rates share."""
        return replace(self, sr=round(2 * (self.n_bins - 1) / self.window_s), n_high=0, high_hz=FrontEnd.high_hz)

    @property
    def high_edges(self) -> np.ndarray:
        """First bin of each band, and the bin after the last one, shape (n_high + 1,), int64."""
        return _high_edges(self.n_bins, self.n_high, self.high_hz * self.window_s)

    @property
    def rows_width(self) -> np.ndarray:
        """Number of bins in each row, shape (n_bins + n_high,)."""
        return np.concatenate([np.ones(self.n_bins), np.diff(self.high_edges)])

    @property
    def rows_hz(self) -> np.ndarray:
        """Frequency of each row in Hz: of the bins, and of the middle of each band, shape (n_bins + n_high,)."""
        edges = self.high_edges
        return np.concatenate([np.arange(self.n_bins), (edges[:-1] + edges[1:] - 1) / 2]) / self.window_s

    def n_high_below(self, hz: float) -> int:
        """Return the number of bands that end below a frequency."""
        return int(np.sum(self.high_edges[1:] <= hz * self.window_s + 1)) if self.n_high else 0

    def over_bins(self, mask: np.ndarray, n_bins: int) -> np.ndarray:
        """Lay the mask of the bands over the bins of the transform, linearly between the middles of the bands.

        Parameters
        ----------
        mask : ndarray, shape (F, N)
            Mask of the rows of V.
        n_bins : int
            Number of bins of the transform, B.

        Returns
        -------
        ndarray, shape (B, N)
            The mask as it is if V has no bands.
        """
        n_high = len(mask) - self.n_bins
        if n_high <= 0:
            return mask
        above = _interpolation(self.n_bins, tuple(self.high_edges[: n_high + 1].tolist()), n_bins) @ mask[self.n_bins :]
        return np.concatenate([mask[: self.n_bins], above])


@lru_cache
def _high_edges(n_bins: int, n_high: int, top: float) -> np.ndarray:
    edges = np.rint(np.geomspace(n_bins, top, n_high + 1)).astype(np.int64)
    return np.maximum.accumulate(np.maximum(edges, n_bins + np.arange(n_high + 1)))  # no band is empty


@lru_cache(16)
def _interpolation(n_bins: int, edges: tuple[int, ...], n_all: int) -> np.ndarray:
    """Matrix from bands to the bins above `n_bins`, shape (n_all - n_bins, bands)."""
    middles = (np.array(edges[:-1]) + np.array(edges[1:]) - 1) / 2
    return np.stack(
        [np.interp(np.arange(n_bins, n_all), middles, unit) for unit in np.eye(len(middles))], axis=1
    ).astype(np.float32)


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
