"""Decompose a spectrogram into speech and noise: V -> mask."""

from typing import Protocol

import numpy as np

from ..dictionary import Dictionary
from ..errors import DictionaryError
from .sparse import SparseDecomposition
from .unfolded.decomposition import UnfoldedDecomposition


class Decomposition(Protocol):
    """Share of speech in each bin, piece by piece as in the whole recording.

    A piece begins at a multiple of `segment_frames`; the mask of its frames depends on at most `past_frames` (a
    multiple of `segment_frames` too) before it and `future_frames` after it.
    """

    segment_frames: int
    past_frames: int
    future_frames: int

    def __call__(self, V: np.ndarray, frames: slice = slice(None)) -> np.ndarray:
        """Return the mask, shape (F, n), of some frames of a compressed magnitude V, which begin a segment."""
        ...


def decomposition_for(dictionary: Dictionary, profile: Dictionary | None = None) -> Decomposition:
    """Return the decomposition for the kind of a dictionary, with a noise profile if there is one.

    Raises
    ------
    DictionaryError
        If the dictionary is itself a noise profile, or one of sources to separate.
    """
    atoms = None if profile is None else profile.arrays["noise"]
    if dictionary.kind == "unfolded":
        return UnfoldedDecomposition(dictionary, atoms)
    if dictionary.kind == "sparse":
        return SparseDecomposition(dictionary, profile=atoms)
    if dictionary.kind in ("sources", "songs"):
        raise DictionaryError(f"dictionary {dictionary.name!r} does not denoise: it is for nmfaudio separate")
    raise DictionaryError(f"dictionary {dictionary.name!r} is a noise profile: give it as noise, beside a dictionary")
