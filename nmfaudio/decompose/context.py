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
        stack, tracked = self.assembled(*self.neighbourhood(V, mask), frames)
        return np.ascontiguousarray(stack.T), np.ascontiguousarray(tracked.transpose(2, 0, 1))

    def neighbourhood(
        self, V: np.ndarray, mask: np.ndarray | None = None
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Parts of the stack of all frames, each of shape (rows, N), and spectra of the tracked atoms, (F, N)."""
        from ..kernels.spans import minima_over

        n = V.shape[1]
        V_bands = self.bands @ V
        parts, atoms = [V, *_averages(V_bands, self.means)], []
        if self.minima or self.floors:
            P = np.pad(V, ((0, 0), (self.past, self.future)), mode="edge")
            smooth = _averages(P, ((1 - self.smooth, 0),))[0]
            for X, spans, found in ((self.bands @ smooth, self.minima, parts), (smooth, self.floors, atoms)):
                widths = sorted({last - first + 1 for first, last in spans})
                minima = np.empty((len(widths), *X.shape), X.dtype)
                minima_over(X, np.array(widths, np.int64), minima)
                for first, last in spans:
                    start = self.past + first
                    found.append(minima[widths.index(last - first + 1), :, start : start + n])
        if mask is not None:
            share = 1 - mask
            noise = V * share
            noise_bands = self.bands @ noise
            parts += _averages(np.maximum(V_bands - noise_bands, 0), self.speech_means)
            parts += _averages(noise_bands, self.noise_means)
            heard, shares = _averages(noise, self.noise_spectra), _averages(share, self.noise_spectra)
            atoms += [noise / (share + LEAST_SHARE) for noise, share in zip(heard, shares, strict=True)]
            if self.estimates:
                atoms += [V * mask, noise]
        return parts, atoms

    def assembled(
        self, parts: list[np.ndarray], atoms: list[np.ndarray], frames: slice | np.ndarray = slice(None)
    ) -> tuple[np.ndarray, np.ndarray]:
        """Stack (D, N) and tracked atoms (J, F + n_bands, N) of some frames from their :meth:`neighbourhood`."""
        stack = np.concatenate([part[:, frames] for part in parts])
        tracked = np.empty((len(atoms), self.n_bins + self.n_bands, stack.shape[1]), stack.dtype)
        scale = self.scale(stack)
        stack *= scale
        for atom, rows in zip(atoms, tracked, strict=True):
            np.multiply(atom[:, frames], scale, out=rows[: self.n_bins])
            np.dot(self.bands, rows[: self.n_bins], out=rows[self.n_bins :])
        return stack, tracked

    @staticmethod
    def scale(stack: np.ndarray) -> np.ndarray:
        """Factor for each frame of a stack (D, N) that takes the level of the recording away, shape (N,)."""
        return 1 / np.maximum(stack.mean(axis=0), np.finfo(stack.dtype).tiny * 1e6)


def _averages(X: np.ndarray, spans: tuple[Span, ...]) -> list[np.ndarray]:
    """Averages of the rows of X over each span around every frame."""
    from ..kernels.spans import means_over

    if not spans:
        return []
    means = np.empty((len(spans), *X.shape), X.dtype)
    means_over(X, np.array(spans, np.int64), means)
    return list(means)
