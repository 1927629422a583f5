"""Long memory for a frame: what was, and what comes, stacked below it as non-negative rows."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

Span = tuple[int, int]

LEAST_SHARE = np.float32(1e-2)  # of noise in a span, below which its spectrum fades out


def band_matrix(n_bands: int, n_bins: int, max_hz: float) -> np.ndarray:
    """Triangular mel bands as averages over bins, shape (n_bands, n_bins), rows sum to one.

    Mel scale of O'Shaughnessy (1987): ``2595 log10(1 + f / 700)``; a band is at least one bin wide.
    """
    top = 2595 * np.log10(1 + max_hz / 700)
    hz = 700 * (10 ** (np.linspace(0, top, n_bands + 2) / 2595) - 1)
    edges = hz / max_hz * (n_bins - 1)
    bins = np.arange(n_bins)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rise = (bins - left) / np.maximum(centre - left, 1.0)
    fall = (right - bins) / np.maximum(right - centre, 1.0)
    B = np.clip(np.minimum(rise, fall), 0, None)
    B += (np.abs(bins - centre) <= 0.5) * 1e-3  # no band is empty
    return (B / B.sum(axis=1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class Context:
    """Which parts of a frame's neighbourhood enter the fit; all spans are in frames relative to it.

    A first stage knows the noisy spectrogram alone: its averages, and its minima as noise floor. A second stage
    knows the first one's mask too, and so speech and noise apart.

    Parameters
    ----------
    n_bins : int
        Bins of the frame itself.
    n_bands : int
        Mel bands that each part of the neighbourhood is summed into.
    max_hz : float
        Frequency of the last bin.
    means : tuple of (int, int)
        Averages over the frames ``t + first .. t + last``; a single frame where both are equal.
    minima : tuple of (int, int)
        Minima over a span of bands smoothed over the `smooth` frames before: the noise floor
        (Martin, "Noise power spectral density estimation based on optimal smoothing and minimum
        statistics", 2001, without its bias correction, which training learns).
    speech_means, noise_means : tuple of (int, int)
        Averages of what the stage before took for speech and for noise.
    floors : tuple of (int, int)
        Minima at full resolution: noise atoms that change with every frame.
    noise_spectra : tuple of (int, int)
        Averages of the spectrum where the stage before heard noise, at full resolution: atoms of the same kind.
    estimates : bool
        Whether the estimates of the stage before are atoms too, of speech and of noise, in this order.
    smooth : int
        Frames of the smoothing before a minimum.
    """

    n_bins: int
    n_bands: int
    max_hz: float
    means: tuple[Span, ...] = ()
    minima: tuple[Span, ...] = ()
    speech_means: tuple[Span, ...] = ()
    noise_means: tuple[Span, ...] = ()
    floors: tuple[Span, ...] = ()
    noise_spectra: tuple[Span, ...] = ()
    estimates: bool = False
    smooth: int = 4

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> "Context":
        """Context that ``dataclasses.asdict`` and JSON made lists of."""
        spans = {k: tuple((int(a), int(b)) for a, b in v) for k, v in settings.items() if isinstance(v, (list, tuple))}
        return cls(**{**settings, **spans})

    @cached_property
    def bands(self) -> np.ndarray:
        """Matrix from bins to bands, shape (n_bands, n_bins)."""
        return band_matrix(self.n_bands, self.n_bins, self.max_hz)

    @property
    def n_rows(self) -> int:
        """Height D of the stack: bins of the frame and bands of every part of its neighbourhood."""
        parts = self.means + self.minima + self.speech_means + self.noise_means
        return self.n_bins + self.n_bands * len(parts)

    @property
    def n_tracked(self) -> int:
        """Number J of atoms that change with every frame."""
        return len(self.floors) + len(self.noise_spectra) + 2 * self.estimates

    @property
    def needs_mask(self) -> bool:
        """Whether this is the context of a second stage."""
        return bool(self.speech_means or self.noise_means or self.noise_spectra or self.estimates)

    @property
    def past(self) -> int:
        """Frames before the current one that the stack depends on."""
        plain = self.means + self.speech_means + self.noise_means + self.noise_spectra
        first = [a for a, _ in plain] + [a - self.smooth + 1 for a, _ in self.minima + self.floors]
        return max(0, -min(first, default=0))

    @property
    def future(self) -> int:
        """Frames after the current one that the stack depends on."""
        spans = self.means + self.speech_means + self.noise_means + self.noise_spectra + self.minima + self.floors
        return max(0, max((b for _, b in spans), default=0))

    def stack(
        self, V: np.ndarray, mask: np.ndarray | None = None, frames: slice | np.ndarray = slice(None)
    ) -> tuple[np.ndarray, np.ndarray]:
        """Frames with their neighbourhood.

        Parameters
        ----------
        V : ndarray, shape (F, N)
            Compressed magnitude. Outside of it averages find silence, which tells a frame how near the edge is,
            and minima find nothing.
        mask : ndarray, shape (F, N), optional
            Share of speech by the stage before.
        frames : slice or ndarray of int
            Frames that are asked for; all by default.

        Returns
        -------
        stack : ndarray, shape (N, D)
            Each row divided by its mean, so that the level of the recording is gone.
        tracked : ndarray, shape (N, J, F + n_bands)
            Atoms of each frame, in bins and in bands, on the scale of the stack.
        """
        n = V.shape[1]
        V_bands = self.bands @ V
        parts = [V]
        parts += self._averages(V_bands, self.means)
        atoms = []
        if self.minima or self.floors:
            smooth = _trailing_mean(np.pad(V, ((0, 0), (self.past, self.future)), mode="edge"), self.smooth)
            smooth_bands = self.bands @ smooth
            parts += [self._over(smooth_bands, span, n, _minimum) for span in self.minima]
            atoms += [self._over(smooth, span, n, _minimum) for span in self.floors]
        if mask is not None:
            noise = V * (1 - mask)
            noise_bands = self.bands @ noise
            parts += self._averages(np.maximum(V_bands - noise_bands, 0), self.speech_means)
            parts += self._averages(noise_bands, self.noise_means)
            heard = self._averages(noise, self.noise_spectra)
            shares = self._averages(1 - mask, self.noise_spectra)
            atoms += [noise / (share + LEAST_SHARE) for noise, share in zip(heard, shares, strict=True)]
            if self.estimates:
                atoms += [V * mask, V * (1 - mask)]
        stack = np.concatenate([part[:, frames] for part in parts]).T
        tracked = np.empty((len(stack), len(atoms), self.n_bins + self.n_bands), V.dtype)
        for j, atom in enumerate(atoms):
            atom = atom[:, frames]
            tracked[:, j, : self.n_bins] = atom.T
            tracked[:, j, self.n_bins :] = (self.bands @ atom).T
        scale = self.scale(stack)
        tracked *= scale[:, None, None]
        return np.ascontiguousarray(stack * scale[:, None]), tracked

    @staticmethod
    def scale(stack: np.ndarray) -> np.ndarray:
        """Factor a frame that takes the level of the recording away, shape (N,)."""
        return 1 / np.maximum(stack.mean(axis=1), np.finfo(stack.dtype).tiny * 1e6)

    def _averages(self, X: np.ndarray, spans: tuple[Span, ...]) -> list[np.ndarray]:
        P = np.pad(X, ((0, 0), (self.past, self.future)))
        return [self._over(P, span, X.shape[1], _mean) for span in spans]

    def _over(self, P, span, n, reduce):
        first, last = span
        start = self.past + first
        return reduce(P, last - first + 1)[:, start : start + n]


def _mean(P: np.ndarray, width: int) -> np.ndarray:
    """Averages over the windows that begin at each frame."""
    from scipy.ndimage import uniform_filter1d

    if width == 1:
        return P
    return np.maximum(uniform_filter1d(P, width, axis=1, mode="nearest")[:, width // 2 :], 0)


def _minimum(P: np.ndarray, width: int) -> np.ndarray:
    """Minima over the windows that begin at each frame, by windows of half the width, and so on."""
    covered = 1
    while covered < width:
        step = min(covered, width - covered)
        P = np.minimum(P[:, : P.shape[1] - step], P[:, step:])
        covered += step
    return P


def _trailing_mean(P: np.ndarray, width: int) -> np.ndarray:
    from scipy.ndimage import uniform_filter1d

    return np.maximum(uniform_filter1d(P, width, axis=1, mode="nearest", origin=(width - 1) // 2), 0)
