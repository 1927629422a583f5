"""Stacked frames: a frame with its neighbourhood below it, which its atoms describe.

Beside a stack stand tracked atoms, spectra of the recording itself that change with every frame.
:attr:`StackContext.layout` says which parts both have and where; everything that builds or reads them goes by it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from ..kernels.unfolded.context import means_over, running_sums
from ..kernels.unfolded.limits import LEAST_MEAN

Span = tuple[int, int]
AnyContext = TypeVar("AnyContext", bound="StackContext")
_HIGH_AT_ONCE = 4  # bands of the spectrogram in one band of the neighbourhood


def spans(*spans: int | Span) -> tuple[Span, ...]:
    """Make spans, each given by its first and last frame, or by one number for a single frame."""
    return tuple((span, span) if isinstance(span, int) else span for span in spans)


class Part(NamedTuple):
    """One part of the stack or of the tracked atoms.

    Attributes
    ----------
    name : str
    kind : {"rows", "bands", "atoms"}
        Rows of the stack for each row of the spectrogram or for each band, or tracked atoms.
    spans : tuple of (int, int)
        First and last frame, relative to the current one, of each piece of the part; none if the context lacks it.
    rows : slice
        Rows of the stack, or numbers of the tracked atoms.
    """

    name: str
    kind: str
    spans: tuple[Span, ...]
    rows: slice


def band_matrix(n_bands: int, n_bins: int, max_hz: float) -> np.ndarray:
    """Compute triangular mel bands as averages over bins.

    The mel scale is O'Shaughnessy's (1987), ``2595 log10(1 + f / 700)``; a band is at least one bin wide.

    Parameters
    ----------
    n_bands : int
        Number of bands, B.
    n_bins : int
        Number of bins, F.
    max_hz : float
        Frequency of the last bin.

    Returns
    -------
    ndarray, shape (B, F), float32
        Rows sum to one.
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
class StackContext:
    """Rows of a stacked frame and its tracked atoms; all spans are in frames relative to the current one.

    Parameters
    ----------
    n_bins : int
        Number of bins of the frame itself.
    n_bands : int
        Number of mel bands that the bins are averaged into in each part of the neighbourhood.
    max_hz : float
        Frequency of the last bin.
    n_high : int
        Number of bands that the spectrogram has above its bins; see :class:`nmfaudio.FrontEnd`.
    """

    n_bins: int
    n_bands: int
    max_hz: float
    n_high: int = 0

    @classmethod
    def from_json(cls: type[AnyContext], settings: dict[str, Any]) -> AnyContext:
        """Rebuild a context after ``dataclasses.asdict`` and JSON, which turns tuples into lists."""
        spans = {k: tuple((int(a), int(b)) for a, b in v) for k, v in settings.items() if isinstance(v, (list, tuple))}
        return cls(**{**settings, **spans})

    def parts(self) -> list[tuple[str, str, tuple[Span, ...]]]:
        """Return name, kind and spans of all parts in their order, those that this context lacks with no spans."""
        raise NotImplementedError

    def rows_of(self, V: np.ndarray, mask: np.ndarray | None) -> "Mapping[str, PartRows]":
        """Return the rows of each part, given the spectrogram and the mask or the masks of the stage before."""
        raise NotImplementedError

    def around(self, V: np.ndarray, mask: np.ndarray | None = None) -> "Neighbourhood":
        """Return the surroundings of all frames of a spectrogram, given the mask or the masks of the stage before."""
        return Neighbourhood(self, self.rows_of(V, mask), V.dtype)

    @cached_property
    def layout(self) -> tuple[Part, ...]:
        """All parts in their order, those that this context lacks with no spans."""
        height = {"rows": self.height, "bands": self.n_averages, "atoms": 1}
        layout, ends = [], {"stack": 0, "atoms": 0}
        for name, kind, spans in self.parts():
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
        high = (groups == np.arange(self.n_averages - self.n_bands)[:, None]).astype(np.float32)
        bands = np.zeros((len(low) + len(high), self.height), np.float32)
        bands[: len(low), : self.n_bins] = low
        bands[len(low) :, self.n_bins :] = high / np.maximum(high.sum(axis=1, keepdims=True), 1)
        return bands

    @property
    def n_averages(self) -> int:
        """Number B of bands: of the bins, and of the bands above them, some at a time."""
        return self.n_bands + -(-self.n_high // _HIGH_AT_ONCE)

    @property
    def height(self) -> int:
        """Number F of rows of the spectrogram: bins and the bands above them."""
        return self.n_bins + self.n_high

    @property
    def n_full(self) -> int:
        """Number of rows of the stack at full resolution, the first ones."""
        return max(part.rows.stop for part in self.layout if part.kind == "rows")

    @property
    def n_rows(self) -> int:
        """Height D of the stack."""
        return max(part.rows.stop for part in self.layout if part.kind != "atoms")

    @property
    def n_tracked(self) -> int:
        """Number J of tracked atoms."""
        return max(part.rows.stop for part in self.layout if part.kind == "atoms")

    @property
    def past(self) -> int:
        """Frames before the current one that the stack depends on."""
        return -min(first for part in self.layout for first, _ in part.spans)

    @property
    def future(self) -> int:
        """Frames after the current one that the stack depends on."""
        return max(b for part in self.layout for _, b in part.spans)

    def stack_rows(
        self, V: np.ndarray, mask: np.ndarray | None = None, frames: slice | np.ndarray = slice(None)
    ) -> tuple[np.ndarray, np.ndarray]:
        """Stack frames with their neighbourhood, frames as rows.

        Parameters
        ----------
        V : ndarray, shape (..., F, T)
            Compressed magnitude. Averages take silence outside of it, so that a frame at the edge can be recognised;
            minima leave out what is outside.
        mask : ndarray, shape (..., F, T), optional
            Mask or masks by the stage before.
        frames : slice or ndarray of int
            Frames to stack; all by default.

        Returns
        -------
        stack : ndarray, shape (T, D)
            Each row is divided by its mean, so that the level of the recording does not matter. Zero in rows that V
            lacks.
        tracked : ndarray, shape (T, J, F + B)
            Tracked atoms of each frame, in rows and in bands, on the scale of the stack.
        """
        context = self.below(V.shape[-2])
        stack, tracked = context.around(V, mask).stack_columns(0, V.shape[-1])
        stack, tracked = stack.T[frames], tracked.transpose(2, 0, 1)[frames]
        if context is self:
            return np.ascontiguousarray(stack), np.ascontiguousarray(tracked)
        rows, atom_rows = self.kept(context)
        whole = np.zeros((len(stack), self.n_rows), stack.dtype)
        whole_tracked = np.zeros((len(stack), self.n_tracked, self.height + self.n_averages), stack.dtype)
        whole[:, rows] = stack
        whole_tracked[:, :, atom_rows] = tracked
        return whole, whole_tracked

    def below(self: AnyContext, height: int) -> AnyContext:
        """Return the same context for spectrograms of `height` rows, which may lack the highest bands."""
        return self if height >= self.height else replace(self, n_high=height - self.n_bins)

    def kept(self, lower: "StackContext") -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of the stack, and of the tracked atoms, that a context of lower height has too."""
        rows = {"rows": np.arange(lower.height), "bands": np.arange(lower.n_averages)}
        height = {"rows": self.height, "bands": self.n_averages}
        stack = [
            part.rows.start + i * height[part.kind] + rows[part.kind]
            for part in self.layout
            if part.kind != "atoms"
            for i in range(len(part.spans))
        ]
        return np.concatenate(stack), np.concatenate([rows["rows"], self.height + rows["bands"]])


class Neighbourhood:
    """Surroundings of all frames of a spectrogram, from which blocks of frames are stacked.

    Parameters
    ----------
    context : StackContext
    rows : mapping of str to PartRows
        Rows of each part.
    dtype : dtype
        Of the stack.
    """

    def __init__(self, context: StackContext, rows: "Mapping[str, PartRows]", dtype: np.dtype) -> None:
        self.context, self._dtype = context, dtype
        self._parts = [(part, rows[part.name]) for part in context.layout if part.spans]

    def stack_columns(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the stack (D, T) and tracked atoms (J, F + B, T) of the frames from start to stop, as columns."""
        c, n_frames, dtype = self.context, stop - start, self._dtype
        stack = np.empty((c.n_rows, n_frames), dtype)
        tracked = np.empty((c.n_tracked, c.height + c.n_averages, n_frames), dtype)
        spectra = tracked[:, : c.height]
        for part, source in self._parts:
            if part.kind == "atoms":
                source.write(start, spectra[part.rows])
            else:
                source.write(start, stack[part.rows].reshape(len(part.spans), -1, n_frames))
        scale = 1 / np.maximum(stack.mean(axis=0), LEAST_MEAN)
        stack *= scale
        for atom in tracked:
            atom[: c.height] *= scale
            np.dot(c.bands, atom[: c.height], out=atom[c.height :])
        return stack, tracked


class PartRows(Protocol):
    """Rows of a part for all frames of a spectrogram."""

    def write(self, start: int, out: np.ndarray) -> None:
        """Write the frames from start on, shape (spans, rows, frames)."""


class Frames:
    """Rows of X as they are."""

    def __init__(self, X: np.ndarray) -> None:
        self._X = X

    def write(self, start: int, out: np.ndarray) -> None:
        """Write the frames from start on."""
        out[0] = self._X[:, start : start + out.shape[2]]


class Means:
    """Averages of the rows of X over spans around each frame; outside is silence."""

    def __init__(self, X: np.ndarray, spans: Sequence[Span]) -> None:
        self._spans = np.array(spans, np.int64).reshape(-1, 2)
        self._before = max(0, -self._spans.min(initial=0))
        if spans:
            after = max(0, self._spans.max(initial=0))
            self._sums = np.empty((len(X), self._before + 1 + X.shape[1] + after))
            running_sums(np.ascontiguousarray(X), self._before, self._sums)

    def write(self, start: int, out: np.ndarray) -> None:
        """Write the averages around the frames from start on."""
        means_over(self._sums, self._before + start, self._spans, out)
