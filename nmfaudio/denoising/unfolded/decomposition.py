"""Decomposition of a spectrogram by an unfolded dictionary, stage after stage."""

from collections.abc import Sequence
from copy import copy
from typing import cast

import numpy as np

from ...compute.threads import in_parallel, n_cores
from ...dictionary import Dictionary
from ...errors import DictionaryError
from ...unfolded.stage import Stage, reach, read_stages, run_stages
from ..profile_fit import profile_fit
from .context import Context


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
        self.past_frames, self.future_frames = reach(self.stages)

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
            Rows that no stage has are left out.
        """
        start, stop, _ = frames.indices(V.shape[1])
        stages = stages_below(self.stages, len(V))
        n_threads = min(n_cores(), -(-(stop - start) // Stage.block_frames))
        edges = np.linspace(start, stop, n_threads + 1).astype(int)
        masks = in_parallel(lambda part: self._mask(stages, V, *part), list(zip(edges[:-1], edges[1:], strict=True)))
        return np.concatenate(masks, axis=1)

    def of(self, stages: list[Stage]) -> "UnfoldedDecomposition":
        """Return the same decomposition by other stages."""
        other = copy(self)
        other.stages = stages
        return other

    def _mask(self, stages: list[Stage], V: np.ndarray, start: int, stop: int) -> np.ndarray:
        """Return the share of speech in the frames from start to stop."""

        def corrected(mask: np.ndarray, frames: slice) -> np.ndarray:
            return mask if self.profile is None else profile_fit(V[:, frames], mask, self.profile)

        return run_stages(stages, V, start, stop, speech_of, corrected)


def speech_of(masks: np.ndarray) -> np.ndarray:
    """Return the mask of speech, the first source."""
    speech: np.ndarray = masks[0]
    return speech


def stages_of(dictionary: Dictionary) -> list[Stage]:
    """Read the stages of a dictionary of speech and noise; see :func:`nmfaudio.unfolded.stage.read_stages`.

    Raises
    ------
    DictionaryError
        If the dictionary is of another kind, or its stages are broken.
    """
    if dictionary.kind != "unfolded":
        raise DictionaryError(
            f"dictionary {dictionary.name!r}: of kind {dictionary.kind!r}, not unfolded: give one like speech"
        )
    stages = read_stages(dictionary, Context.from_json, n_sources=2)
    for i, stage in enumerate(stages):
        needs_mask = cast(Context, stage.context).needs_mask
        if needs_mask == (i == 0):
            what = "a mask, which only later ones can" if needs_mask else "no mask, which only the first one can"
            raise DictionaryError(f"dictionary {dictionary.name!r}: its stage {i} takes {what}")
    return stages


def stages_in_use(stages: Sequence[Stage], height: int) -> list[Stage]:
    """Return the stages that are for spectrograms of `height` rows, which may lack the highest bands.

    A later stage for a full band is left out where a recording has no band above the bins: it is trained for both, but
    brings nothing there.
    """
    first, *later = stages
    return [first, *(stage for stage in later if height > stage.context.n_bins or not stage.context.n_high)]


def stages_below(stages: Sequence[Stage], height: int) -> list[Stage]:
    """Return the stages in use for spectrograms of `height` rows, without what is for other rows."""
    return [stage.below(height) for stage in stages_in_use(stages, height)]
