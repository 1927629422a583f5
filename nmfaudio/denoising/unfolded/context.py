"""Neighbourhood of a frame of noisy speech: averages, minima and pitch of the frames around it, stacked below it.

:class:`Context` says which of them there are; :class:`.stream.ContextStream` computes them for single frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...kernels.unfolded.context import minima_over
from ...kernels.unfolded.limits import LEAST_SHARE
from ...unfolded.context import Frames, Means, PartRows, Span, StackContext
from .pitch import periodic_parts

_NOW = ((0, 0),)
_SMOOTHED = ("minima", "floors")


def of_height(mask: np.ndarray, height: int) -> np.ndarray:
    """Continue a mask (F, ...) above its last row with the mean of its top quarter, where consonants show."""
    if len(mask) >= height:
        return mask[:height]
    top = mask[-(len(mask) // 4) :].mean(axis=0, keepdims=True)
    return np.concatenate([mask, np.repeat(top, height - len(mask), axis=0)])


@dataclass(frozen=True)
class Context(StackContext):
    """Parts of a frame's neighbourhood that enter a stage; all spans are in frames relative to the current one.

    A first stage has the noisy spectrogram alone: averages of it, and its minima as noise floor. A later stage also
    has the mask of the one before, and so speech and noise separately.

    Parameters
    ----------
    n_bins, n_bands, max_hz, n_high
        As for :class:`StackContext`.
    means : tuple of (int, int)
        Averages over the frames ``t + first .. t + last``; a single frame where both are equal.
    minima : tuple of (int, int)
        Minima over a span of bands that are smoothed over the last `smooth` frames: the noise floor (Martin, "Noise
        power spectral density estimation based on optimal smoothing and minimum statistics", 2001, without its bias
        correction, which training learns).
    speech_means, noise_means : tuple of (int, int)
        Averages of the speech and of the noise that the stage before estimates.
    speech_frames, noise_frames : tuple of (int, int)
        The same at full resolution.
    floors : tuple of (int, int)
        Minima at full resolution, as tracked atoms.
    noise_spectra : tuple of (int, int)
        Averages of the noise that the stage before estimates, at full resolution, as tracked atoms.
    periodic : tuple of (int, int)
        If not empty, add the pitch-periodic part of each frame to the stack, and its energy on the harmonics as a
        tracked atom, see :func:`nmfaudio.denoising.unfolded.pitch.periodic_parts`. It has one span: the frames that the
        pitch is estimated from.
    estimates : bool
        If true, the estimates of the stage before are tracked atoms too, of speech and of noise.
    smooth : int
        Frames that are averaged before a minimum.
    """

    means: tuple[Span, ...] = ()
    minima: tuple[Span, ...] = ()
    speech_means: tuple[Span, ...] = ()
    noise_means: tuple[Span, ...] = ()
    speech_frames: tuple[Span, ...] = ()
    noise_frames: tuple[Span, ...] = ()
    floors: tuple[Span, ...] = ()
    noise_spectra: tuple[Span, ...] = ()
    periodic: tuple[Span, ...] = ()
    estimates: bool = False
    smooth: int = 4

    def __post_init__(self) -> None:
        """Refuse smoothing over too few or too many frames, more pitches than one, and one in bands above the bins."""
        if not 1 <= self.smooth <= 1000:
            raise ValueError(f"smoothed over {self.smooth} frames")
        if len(self.periodic) > 1:
            raise ValueError(f"{len(self.periodic)} spans for one pitch")
        if self.periodic and self.n_high:
            raise ValueError("a pitch beside bands above the bins")

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> "Context":
        """Rebuild a context after JSON; dictionaries of earlier versions say only whether there is a pitch."""
        periodic = settings.get("periodic")
        if isinstance(periodic, bool):
            settings = {**settings, "periodic": [(-1, 1)] * periodic}
        return super().from_json(settings)

    def parts(self) -> list[tuple[str, str, tuple[Span, ...]]]:
        """Return name, kind and spans of all parts in their order."""
        estimate = _NOW if self.estimates else ()
        return [
            ("frame", "rows", _NOW),
            ("speech_frames", "rows", self.speech_frames),
            ("noise_frames", "rows", self.noise_frames),
            ("means", "bands", self.means),
            ("minima", "bands", self.minima),
            ("speech_means", "bands", self.speech_means),
            ("noise_means", "bands", self.noise_means),
            ("periodic", "bands", self.periodic),
            ("floors", "atoms", self.floors),
            ("noise_spectra", "atoms", self.noise_spectra),
            ("harmonic", "atoms", self.periodic),
            ("speech_estimate", "atoms", estimate),
            ("noise_estimate", "atoms", estimate),
        ]

    @property
    def needs_mask(self) -> bool:
        """True for the context of a second stage, which takes the mask of the stage before."""
        of_mask = (self.speech_means, self.noise_means, self.speech_frames, self.noise_frames, self.noise_spectra)
        return self.estimates or any(of_mask)

    @property
    def past(self) -> int:
        """Frames before the current one that the stack depends on."""
        first = [a - (self.smooth - 1 if part.name in _SMOOTHED else 0) for part in self.layout for a, _ in part.spans]
        return -min(first)

    def rows_of(self, V: np.ndarray, mask: np.ndarray | None) -> dict[str, PartRows]:
        """Return the rows of each part; V may have more rows than the context, and the mask may have fewer."""
        V = V[: self.height]
        V_bands = self.bands @ V
        parts: dict[str, PartRows] = {"frame": Frames(V), "means": Means(V_bands, self.means)}
        if self.minima or self.floors:
            padded = np.pad(V, ((0, 0), (self.past, self.future)), mode="edge")
            smooth = np.empty_like(padded)
            Means(padded, ((1 - self.smooth, 0),)).write(0, smooth[None])
            parts["minima"] = _Minima(self.bands @ smooth, self.minima, self.past)
            parts["floors"] = _Minima(smooth, self.floors, self.past)
        if mask is not None:
            mask = of_height(mask, self.height)
            share = 1 - mask
            noise = V * share
            noise_bands = self.bands @ noise
            parts["speech_means"] = Means(np.maximum(V_bands - noise_bands, 0), self.speech_means)
            parts["noise_means"] = Means(noise_bands, self.noise_means)
            parts["noise_spectra"] = _Spectra(Means(noise, self.noise_spectra), Means(share, self.noise_spectra))
            speech = V - noise
            parts["speech_frames"] = Means(speech, self.speech_frames)
            parts["noise_frames"] = Means(noise, self.noise_frames)
            parts |= {"speech_estimate": Frames(speech), "noise_estimate": Frames(noise)}
        if self.periodic:
            periodic, harmonic = periodic_parts(V, self.max_hz, mask, self.periodic[0])
            parts |= {"periodic": Frames(self.bands @ periodic), "harmonic": Frames(harmonic)}
        return parts


class _Spectra:
    """Average spectra of the noise, where there is some: averages of the noise over those of its share."""

    def __init__(self, noise: Means, share: Means) -> None:
        self._noise, self._share = noise, share

    def write(self, start: int, out: np.ndarray) -> None:
        shares = np.empty(out.shape, out.dtype)
        self._noise.write(start, out)
        self._share.write(start, shares)
        out /= shares + LEAST_SHARE


class _Minima:
    """Minima of the rows of X over spans around each frame; X begins `past` frames before the first of them."""

    def __init__(self, X: np.ndarray, spans: Sequence[Span], past: int) -> None:
        widths = sorted({last - first + 1 for first, last in spans})
        self._minima = np.empty((len(widths), *X.shape), X.dtype)
        minima_over(X, np.array(widths, np.int64), self._minima)
        self._windows = [(widths.index(last - first + 1), past + first) for first, last in spans]

    def write(self, start: int, out: np.ndarray) -> None:
        for (which, first), minima in zip(self._windows, out, strict=True):
            minima[:] = self._minima[which, :, first + start : first + start + out.shape[2]]
