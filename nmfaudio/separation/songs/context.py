"""Neighbourhood of a frame of a song, stacked below it: cues and estimates of the sources around it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...denoising.unfolded.context import Part, Span, band_matrix
from ...kernels.unfolded.context import means_over, running_sums
from ...kernels.unfolded.limits import LEAST_MEAN
from .cues import PARTS

_NOW = ((0, 0),)
_HIGH_AT_ONCE = 4  # bands of the spectrogram in one band of the neighbourhood


@dataclass(frozen=True)
class SongContext:
    """Parts of a frame's neighbourhood that enter a stage; all spans are in frames relative to the current one.

    Parameters
    ----------
    n_bins, n_high : int
        Number of bins of the spectrogram, and of bands above them; see :class:`nmfaudio.FrontEnd`.
    n_bands : int
        Number of mel bands that the bins are averaged into in each part of the neighbourhood.
    max_hz : float
        Frequency of the last bin.
    sources : int
        Number of sources that the stage before estimates; 0 for a first stage.
    mixture_means, cue_means, source_means : tuple of (int, int)
        Averages of the spectrogram, of each of its :data:`.cues.PARTS`, and of each estimate of a source, in bands.
    cue_atoms, source_atoms : tuple of (int, int)
        Averages of the parts and of the estimates at full resolution, as tracked atoms.
    """

    n_bins: int
    n_high: int
    n_bands: int
    max_hz: float
    sources: int = 0
    mixture_means: tuple[Span, ...] = ()
    cue_means: tuple[Span, ...] = ()
    source_means: tuple[Span, ...] = ()
    cue_atoms: tuple[Span, ...] = _NOW
    source_atoms: tuple[Span, ...] = ()

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> "SongContext":
        """Rebuild a context after ``dataclasses.asdict`` and JSON, which turns tuples into lists."""
        spans = {k: tuple((int(a), int(b)) for a, b in v) for k, v in settings.items() if isinstance(v, (list, tuple))}
        return cls(**{**settings, **spans})

    @cached_property
    def layout(self) -> tuple[Part, ...]:
        """All parts in their order; the name of a part is that of its spectra."""
        cues, sources = (
            [f"{kind} {i}" for i in range(n)] for kind, n in (("cue", len(PARTS)), ("source", self.sources))
        )
        parts = [("mixture", "rows", _NOW), ("mixture", "bands", self.mixture_means)]
        parts += [(name, "bands", self.cue_means) for name in cues]
        parts += [(name, "bands", self.source_means) for name in sources]
        parts += [(name, "atoms", self.cue_atoms) for name in cues]
        parts += [(name, "atoms", self.source_atoms) for name in sources]
        height = {"rows": self.height, "bands": len(self.bands), "atoms": 1}
        layout, ends = [], {"stack": 0, "atoms": 0}
        for name, kind, spans in parts:
            array = "atoms" if kind == "atoms" else "stack"
            start = ends[array]
            ends[array] += len(spans) * height[kind]
            layout.append(Part(name, kind, spans, slice(start, ends[array])))
        return tuple(layout)

    @cached_property
    def bands(self) -> np.ndarray:
        """Matrix from rows of the spectrogram to bands, shape (B, F)."""
        low = band_matrix(self.n_bands, self.n_bins, self.max_hz)
        groups = np.arange(self.n_high) // _HIGH_AT_ONCE
        high = (groups == np.arange(-(-self.n_high // _HIGH_AT_ONCE))[:, None]).astype(np.float32)
        bands = np.zeros((len(low) + len(high), self.height), np.float32)
        bands[: len(low), : self.n_bins] = low
        bands[len(low) :, self.n_bins :] = high / np.maximum(high.sum(axis=1, keepdims=True), 1)
        return bands

    @property
    def height(self) -> int:
        """Number F of rows of the spectrogram."""
        return self.n_bins + self.n_high

    @property
    def n_full(self) -> int:
        """Number of rows of the stack at full resolution, the first ones."""
        return self.height

    @property
    def n_rows(self) -> int:
        """Height D of the stack."""
        return max(part.rows.stop for part in self.layout if part.kind != "atoms")

    @property
    def n_tracked(self) -> int:
        """Number J of tracked atoms."""
        return max(part.rows.stop for part in self.layout if part.kind == "atoms")

    @property
    def needs_mask(self) -> bool:
        """True for the context of a second stage, which takes the masks of the stage before."""
        return self.sources > 0

    @property
    def past(self) -> int:
        """Frames before the current one that the stack depends on."""
        return -min(first for part in self.layout for first, _ in part.spans)

    @property
    def future(self) -> int:
        """Frames after the current one that the stack depends on."""
        return max(last for part in self.layout for _, last in part.spans)

    def below(self, height: int) -> "SongContext":
        """Return the same context for spectrograms that lack the highest bands."""
        return self if height == self.height else replace(self, n_high=height - self.n_bins)

    def kept(self, lower: "SongContext") -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of the stack, and of the tracked atoms, that a context of lower height has too."""
        rows = {"rows": np.arange(lower.height), "bands": np.arange(len(lower.bands))}
        height = {"rows": self.height, "bands": len(self.bands)}
        stack = [
            part.rows.start + i * height[part.kind] + rows[part.kind]
            for part in self.layout
            if part.kind != "atoms"
            for i in range(len(part.spans))
        ]
        return np.concatenate(stack), np.concatenate([rows["rows"], self.height + rows["bands"]])

    def around(self, X: np.ndarray, masks: np.ndarray | None = None) -> "SongNeighbourhood":
        """Surroundings of all frames of the cues (C, F, T), given the masks (S, F, T) of the stage before."""
        return SongNeighbourhood(self, X, masks)

    def stack_rows(
        self, X: np.ndarray, masks: np.ndarray | None = None, frames: slice | np.ndarray = slice(None)
    ) -> tuple[np.ndarray, np.ndarray]:
        """Stack frames with their neighbourhood, frames as rows.

        Parameters
        ----------
        X : ndarray, shape (1 + len(PARTS), F, T)
            From :func:`.cues.cues`.
        masks : ndarray, shape (S, F, T), optional
            Masks by the stage before.
        frames : slice or ndarray of int
            Frames to stack; all by default.

        Returns
        -------
        stack : ndarray, shape (T, D)
            Each row is divided by its mean, so that the level of the recording does not matter.
        tracked : ndarray, shape (T, J, F + B)
            Tracked atoms of each frame, in rows and in bands, on the scale of the stack.
        """
        stack, tracked = self.around(X, masks).stack_columns(0, X.shape[-1])
        return np.ascontiguousarray(stack.T[frames]), np.ascontiguousarray(tracked.transpose(2, 0, 1)[frames])


class SongNeighbourhood:
    """Surroundings of all frames of a song, from which blocks of frames are stacked.

    Parameters
    ----------
    context : SongContext
    X, masks : ndarray
        As in :meth:`SongContext.stack_rows`.
    """

    def __init__(self, context: SongContext, X: np.ndarray, masks: np.ndarray | None = None) -> None:
        spectra = {"mixture": X[0]} | {f"cue {i}": part for i, part in enumerate(X[1:])}
        if masks is not None:
            spectra |= {f"source {i}": X[0] * mask for i, mask in enumerate(masks)}
        self.context, self._dtype = context, X.dtype
        self._parts: list[tuple[Part, _Means]] = []
        for part in context.layout:
            if part.spans:
                spectrum = spectra[part.name]
                rows = context.bands @ spectrum if part.kind == "bands" else spectrum
                self._parts.append((part, _Means(rows, part.spans)))

    def stack_columns(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the stack (D, T) and tracked atoms (J, F + B, T) of the frames from start to stop, as columns."""
        c, n_frames, dtype = self.context, stop - start, self._dtype
        stack = np.empty((c.n_rows, n_frames), dtype)
        tracked = np.empty((c.n_tracked, c.height + len(c.bands), n_frames), dtype)
        spectra = tracked[:, : c.height]
        for part, means in self._parts:
            if part.kind == "atoms":
                means.write(start, spectra[part.rows])
            else:
                means.write(start, stack[part.rows].reshape(len(part.spans), -1, n_frames))
        scale = 1 / np.maximum(stack.mean(axis=0), LEAST_MEAN)
        stack *= scale
        for atom in tracked:
            atom[: c.height] *= scale
            np.dot(c.bands, atom[: c.height], out=atom[c.height :])
        return stack, tracked


class _Means:
    """Averages of the rows of X over spans around each frame; outside is silence."""

    def __init__(self, X: np.ndarray, spans: Sequence[Span]) -> None:
        self._X, self._spans = X, np.array(spans, np.int64)
        self._alone = tuple(spans) == _NOW
        if not self._alone:
            self._before, after = max(0, -self._spans.min()), max(0, self._spans.max())
            self._sums = np.empty((len(X), self._before + 1 + X.shape[1] + after))
            running_sums(np.ascontiguousarray(X), self._before, self._sums)

    def write(self, start: int, out: np.ndarray) -> None:
        if self._alone:
            out[0] = self._X[:, start : start + out.shape[2]]
        else:
            means_over(self._sums, self._before + start, self._spans, out)
