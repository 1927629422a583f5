"""Long memory for a frame: what was, and what comes, stacked below it as non-negative rows."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .pitch import periodic_parts

Span = tuple[int, int]

LEAST_SHARE = np.float32(1e-2)  # of noise in a span, below which its spectrum fades out
LEAST_MEAN = np.float32(np.finfo(np.float32).tiny * 1e6)  # of a stack


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
    periodic : bool
        Whether what of the frame repeats with the pitch is a part of the stack and, on the partials, an atom; see
        :func:`nmfaudio.denoising.unfolded.pitch.periodic_parts`. The pitch is known with the frame after.
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
    periodic: bool = False
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
        return self.n_bins + self.n_bands * (len(parts) + self.periodic)

    @property
    def n_tracked(self) -> int:
        """Number J of atoms that change with every frame."""
        return len(self.floors) + len(self.noise_spectra) + self.periodic + 2 * self.estimates

    @property
    def needs_mask(self) -> bool:
        """Whether this is the context of a second stage."""
        return bool(self.speech_means or self.noise_means or self.noise_spectra or self.estimates)

    @property
    def past(self) -> int:
        """Frames before the current one that the stack depends on."""
        plain = self.means + self.speech_means + self.noise_means + self.noise_spectra
        first = [a for a, _ in plain] + [a - self.smooth + 1 for a, _ in self.minima + self.floors]
        return max(int(self.periodic), -min(first, default=0))

    @property
    def future(self) -> int:
        """Frames after the current one that the stack depends on."""
        spans = self.means + self.speech_means + self.noise_means + self.noise_spectra + self.minima + self.floors
        return max(int(self.periodic), max((b for _, b in spans), default=0))

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
        stack, tracked = Neighbourhood(self, V, mask).stack(0, V.shape[1])
        return np.ascontiguousarray(stack.T[frames]), np.ascontiguousarray(tracked.transpose(2, 0, 1)[frames])

    @staticmethod
    def scale(stack: np.ndarray) -> np.ndarray:
        """Factor for each frame of a stack (D, N) that takes the level of the recording away, shape (N,)."""
        return 1 / np.maximum(stack.mean(axis=0), LEAST_MEAN)


class Neighbourhood:
    """What the frames of a spectrogram have around them, ready to be stacked, a block of frames at a time.

    Parameters
    ----------
    context : Context
    V, mask : ndarray, shape (F, N)
        As in :meth:`Context.stack`.
    """

    def __init__(self, context: Context, V: np.ndarray, mask: np.ndarray | None = None) -> None:
        self.context, self.V = context, V
        c, V_bands = context, context.bands @ V
        # in the order of the rows
        self._parts: list[_Means | _Minima] = [_Means(V_bands, c.means)]
        self._atoms: list[_Means | _Minima] = []
        self._noise: np.ndarray | None = None
        if c.minima or c.floors:
            P = np.pad(V, ((0, 0), (c.past, c.future)), mode="edge")
            smooth = np.empty_like(P)
            _Means(P, ((1 - c.smooth, 0),)).write(0, smooth[None])
            self._parts.append(_Minima(c.bands @ smooth, c.minima, c.past))
            self._atoms.append(_Minima(smooth, c.floors, c.past))
        if mask is not None:
            share = 1 - mask
            self._noise = V * share
            noise_bands = c.bands @ self._noise
            self._parts += [
                _Means(np.maximum(V_bands - noise_bands, 0), c.speech_means),
                _Means(noise_bands, c.noise_means),
            ]
            self._shares = _Means(share, c.noise_spectra)
            self._atoms.append(_Means(self._noise, c.noise_spectra))
        if c.periodic:
            periodic, self._harmonic = periodic_parts(V, c.max_hz, mask)
            self._parts.append(_Means(c.bands @ periodic, ((0, 0),)))

    def stack(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Stack (D, n) and tracked atoms (J, F + n_bands, n) of the frames from start to stop."""
        c, n = self.context, stop - start
        V = self.V[:, start:stop]
        stack = np.empty((c.n_rows, n), V.dtype)
        stack[: c.n_bins] = V
        bands = stack[c.n_bins :].reshape(-1, c.n_bands, n)
        at = 0
        for part in self._parts:
            part.write(start, bands[at : at + len(part)])
            at += len(part)
        scale = self.context.scale(stack)
        stack *= scale

        tracked = np.empty((c.n_tracked, c.n_bins + c.n_bands, n), V.dtype)
        spectra = tracked[:, : c.n_bins]
        at = 0
        for atoms in self._atoms:
            atoms.write(start, spectra[at : at + len(atoms)])
            at += len(atoms)
        if self._noise is not None:
            shares = np.empty((len(self._shares), c.n_bins, n), V.dtype)
            self._shares.write(start, shares)
            shares += LEAST_SHARE
            spectra[at - len(shares) : at] /= shares
            if c.estimates:
                noise = self._noise[:, start:stop]
                np.subtract(V, noise, out=spectra[-2])
                spectra[-1] = noise
        if c.periodic:
            spectra[at] = self._harmonic[:, start:stop]
        for atom in tracked:
            atom[: c.n_bins] *= scale
            np.dot(c.bands, atom[: c.n_bins], out=atom[c.n_bins :])
        return stack, tracked


class _Means:
    """Averages of the rows of X over spans around every frame; there is silence outside."""

    def __init__(self, X: np.ndarray, spans: tuple[Span, ...]) -> None:
        from ...kernels.unfolded.context import running_sums

        self._spans = np.array(spans, np.int64).reshape(-1, 2)
        self._before = max(0, -self._spans.min(initial=0))
        if spans:
            after = max(0, self._spans.max(initial=0))
            self._sums = np.empty((len(X), self._before + 1 + X.shape[1] + after))
            running_sums(np.ascontiguousarray(X), self._before, self._sums)

    def __len__(self) -> int:
        return len(self._spans)

    def write(self, start: int, out: np.ndarray) -> None:
        """Those of the frames from start on, shape (spans, rows, frames)."""
        from ...kernels.unfolded.context import means_over

        if len(self):
            means_over(self._sums, self._before + start, self._spans, out)


class _Minima:
    """Minima of the rows of X over spans around every frame; X begins `past` frames before the first of them."""

    def __init__(self, X: np.ndarray, spans: tuple[Span, ...], past: int) -> None:
        from ...kernels.unfolded.context import minima_over

        widths = sorted({last - first + 1 for first, last in spans})
        self._minima = np.empty((len(widths), *X.shape), X.dtype)
        minima_over(X, np.array(widths, np.int64), self._minima)
        self._windows = [(widths.index(last - first + 1), past + first) for first, last in spans]

    def __len__(self) -> int:
        return len(self._windows)

    def write(self, start: int, out: np.ndarray) -> None:
        """Those of the frames from start on, shape (spans, rows, frames)."""
        for (which, first), minima in zip(self._windows, out, strict=True):
            minima[:] = self._minima[which, :, first + start : first + start + out.shape[2]]
