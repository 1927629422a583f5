"""Neighbourhood of a frame of a song, stacked below it: cues and estimates of the sources around it."""

from dataclasses import dataclass

import numpy as np

from ...unfolded.context import Frames, Means, PartRows, Span, StackContext
from .cues import PARTS

_NOW = ((0, 0),)


@dataclass(frozen=True)
class SongContext(StackContext):
    """Parts of a frame's neighbourhood that enter a stage; all spans are in frames relative to the current one.

    The spectrogram V of a stage is that of :func:`.cues.cues`, shape (1 + len(PARTS), F, T), and the masks of the stage
    before have the shape (S, F, T).

    Parameters
    ----------
    n_bins, n_bands, max_hz, n_high
        As for :class:`nmfaudio.unfolded.context.StackContext`.
    n_sources : int
        Number of sources that the stage before estimates; 0 for a first stage.
    mixture_means, cue_means, source_means : tuple of (int, int)
        Averages of the spectrogram, of each of its :data:`.cues.PARTS`, and of each estimate of a source, in bands.
    cue_atoms, source_atoms : tuple of (int, int)
        Averages of the parts and of the estimates at full resolution, as tracked atoms.
    """

    n_sources: int = 0
    mixture_means: tuple[Span, ...] = ()
    cue_means: tuple[Span, ...] = ()
    source_means: tuple[Span, ...] = ()
    cue_atoms: tuple[Span, ...] = ()
    source_atoms: tuple[Span, ...] = ()

    def parts(self) -> list[tuple[str, str, tuple[Span, ...]]]:
        """Return name, kind and spans of all parts in their order."""
        cues, sources = range(len(PARTS)), range(self.n_sources)
        return [
            ("mixture", "rows", _NOW),
            ("mixture_means", "bands", self.mixture_means),
            *((f"cue_means {i}", "bands", self.cue_means) for i in cues),
            *((f"source_means {i}", "bands", self.source_means) for i in sources),
            *((f"cue_atoms {i}", "atoms", self.cue_atoms) for i in cues),
            *((f"source_atoms {i}", "atoms", self.source_atoms) for i in sources),
        ]

    def rows_of(self, V: np.ndarray, mask: np.ndarray | None) -> dict[str, PartRows]:
        """Return the rows of each part, given the cues of a song and the masks of the stage before."""
        mixture, cues = V[0], V[1:]
        rows: dict[str, PartRows] = {
            "mixture": Frames(mixture),
            "mixture_means": Means(self.bands @ mixture, self.mixture_means),
        }
        for i, cue in enumerate(cues):
            rows[f"cue_means {i}"] = Means(self.bands @ cue, self.cue_means)
            rows[f"cue_atoms {i}"] = Frames(cue) if self.cue_atoms == _NOW else Means(cue, self.cue_atoms)
        for i, share in enumerate(() if mask is None else mask):
            source = mixture * share
            rows[f"source_means {i}"] = Means(self.bands @ source, self.source_means)
            rows[f"source_atoms {i}"] = Means(source, self.source_atoms)
        return rows
