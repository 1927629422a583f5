"""Decomposition of a spectrogram by an unfolded dictionary, stage after stage."""

import numpy as np

from ...compute.threads import in_parallel, n_cores
from ...dictionary import Dictionary
from ..profile_fit import profile_fit
from .context import Context
from .stage import Stage
from .weights import read_weights


class UnfoldedDecomposition:
    """Share of speech by an unfolded dictionary, stage after stage.

    Parameters
    ----------
    dictionary : Dictionary
        Of kind "unfolded".
    profile : ndarray, shape (F, K), optional
        Atoms of a noise profile.

    Attributes
    ----------
    segment_frames, past_frames, future_frames : int
        Context that the mask of a frame depends on, see `Decomposition`.
    """

    segment_frames = 1

    def __init__(self, dictionary: Dictionary, profile: np.ndarray | None = None) -> None:
        self.stages = stages_of(dictionary)
        self.profile = profile
        self.past_frames = sum(stage.context.past for stage in self.stages)
        self.future_frames = sum(stage.context.future for stage in self.stages)

    def __call__(self, V: np.ndarray, frames: slice = slice(None)) -> np.ndarray:
        """Return the share of speech in each bin.

        Parameters
        ----------
        V : ndarray, shape (F, T), float32
            Compressed magnitude.
        frames : slice
            Frames that the mask is wanted for; all by default.

        Returns
        -------
        ndarray, shape (F, T of `frames`)
        """
        start, stop, _ = frames.indices(V.shape[1])
        n_threads = min(n_cores(), -(-(stop - start) // Stage.block_frames))
        edges = np.linspace(start, stop, n_threads + 1).astype(int)
        masks = in_parallel(lambda part: self._mask(V, *part), list(zip(edges[:-1], edges[1:], strict=True)))
        return np.concatenate(masks, axis=1)

    def _mask(self, V: np.ndarray, start: int, stop: int) -> np.ndarray:
        """Mask of the frames from start to stop; each stage also treats the context that later stages need."""
        mask, known = None, 0  # the mask of the frames from `known` on
        for i, stage in enumerate(self.stages):
            past = sum(later.context.past for later in self.stages[i + 1 :])
            future = sum(later.context.future for later in self.stages[i + 1 :])
            first, last = max(0, start - past), min(V.shape[1], stop + future)
            mask = stage(V[:, known:], mask, slice(first - known, last - known))
            if self.profile is not None:
                mask = profile_fit(V[:, first:last], mask, self.profile)
            known = first
        assert mask is not None
        return mask


def stages_of(dictionary: Dictionary) -> list[Stage]:
    """Read the stages of an unfolded dictionary."""
    return [
        Stage(read_weights(dictionary.arrays, i), settings["order"], Context.from_json(settings["context"]))
        for i, settings in enumerate(dictionary.settings["stages"])
    ]
