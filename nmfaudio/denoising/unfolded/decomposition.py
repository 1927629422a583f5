"""Decomposition of a spectrogram by an unfolded dictionary, stage after stage."""

from copy import copy

import numpy as np

from ...compute.threads import in_parallel, n_cores
from ...dictionary import Dictionary
from ...errors import DictionaryError
from ...spectra.front_end import FrontEnd
from ..profile_fit import profile_fit
from .context import Context
from .stage import Stage
from .weights import Weights, read_weights


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
        self._lower: dict[int, list[Stage]] = {}  # there are few rates
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
            Rows that no stage has are left out.
        """
        start, stop, _ = frames.indices(V.shape[1])
        stages = self.stages_below(len(V))
        n_threads = min(n_cores(), -(-(stop - start) // Stage.block_frames))
        edges = np.linspace(start, stop, n_threads + 1).astype(int)
        masks = in_parallel(lambda part: self._mask(stages, V, *part), list(zip(edges[:-1], edges[1:], strict=True)))
        return np.concatenate(masks, axis=1)

    def of(self, stages: list[Stage]) -> "UnfoldedDecomposition":
        """Return the same decomposition by other stages."""
        other = copy(self)
        other.stages, other._lower = stages, {}
        return other

    def stages_below(self, height: int) -> list[Stage]:
        """Return the stages for spectrograms of `height` rows, see :func:`stages_below`."""
        if height not in self._lower:
            self._lower[height] = stages_below(self.stages, height)
        return self._lower[height]

    def _mask(self, stages: list[Stage], V: np.ndarray, start: int, stop: int) -> np.ndarray:
        """Mask of the frames from start to stop; each stage also treats the context that later stages need."""
        mask, known = None, 0  # the mask of the frames from `known` on
        for i, stage in enumerate(stages):
            past = sum(later.context.past for later in stages[i + 1 :])
            future = sum(later.context.future for later in stages[i + 1 :])
            first, last = max(0, start - past), min(V.shape[1], stop + future)
            mask = stage(V[:, known:], mask, slice(first - known, last - known))[0]
            if self.profile is not None:
                mask = profile_fit(V[:, first:last], mask, self.profile)
            known = first
        assert mask is not None
        return mask


def stages_of(dictionary: Dictionary) -> list[Stage]:
    """Read the stages of an unfolded dictionary.

    Raises
    ------
    DictionaryError
        If a stage lacks settings or arrays, or they do not fit each other.
    """
    stages = []
    try:
        for i, settings in enumerate(dictionary.settings["stages"]):
            weights, context = read_weights(dictionary.arrays, i), Context.from_json(settings["context"])
            _check_stage(weights, settings["order"], context, dictionary.front_end)
            stages.append(Stage(weights, settings["order"], context))
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        if isinstance(error, DictionaryError):
            raise
        raise DictionaryError(
            f"dictionary {dictionary.name!r}: its stages are broken ({type(error).__name__}: {error})"
        ) from None
    if not stages:
        raise DictionaryError(f"dictionary {dictionary.name!r}: has no stages")
    return stages


def stages_below(stages: list[Stage], height: int) -> list[Stage]:
    """Return the stages for spectrograms of `height` rows, which may lack the highest bands.

    A later stage for a full band is left out where a recording has no band above the bins: it is trained for both, but
    brings nothing there.
    """
    first, *later = stages
    wanted = [first, *(stage for stage in later if height > stage.context.n_bins or not stage.context.n_high)]
    return [stage.below(min(height, stage.context.height)) for stage in wanted]


def _check_stage(weights: Weights, order: list[int], context: Context, front_end: FrontEnd) -> None:
    """Refuse a stage whose settings nobody can mean, or whose arrays do not fit them."""
    spans = [span for part in context.layout for span in part.spans]
    n_bins, n_high, height = front_end.n_bins, context.n_high, context.height
    if context.n_bins != n_bins or not 1 <= context.n_bands <= n_bins or not 1 <= context.smooth <= 1000:
        raise ValueError(f"{context.n_bins} bins, {context.n_bands} bands, smoothed over {context.smooth} frames")
    if n_high not in (0, front_end.n_high):
        raise ValueError(f"{n_high} bands above the bins, not {front_end.n_high}")
    if not 0 < context.max_hz <= 1e6 or not all(-10_000 <= first <= last <= 10_000 for first, last in spans):
        raise ValueError(f"spans {spans} up to {context.max_hz} Hz")
    if not 1 <= len(order) <= 100 or not all(0 <= i < len(weights.layers) for i in order):
        raise ValueError(f"order {order} of {len(weights.layers)} layers")
    D, J, K = context.n_rows, context.n_tracked, weights.start.shape[0]
    layer = {"atoms": (D, K), "weights": (D,), "penalty": (K,), "relaxation": (K,), "gains": (J, D)}
    layer |= {"tracked_penalty": (J,), "against": (D, K)}
    last = {"start": (K,), "tracked_start": (J,), "sources": (2, height, K), "source_gains": (2, J, height)}
    last |= {"power": (height,)}
    for arrays, shapes in [*((layer_, layer) for layer_ in weights.layers), (weights, last)]:
        for name, shape in shapes.items():
            array = getattr(arrays, name)
            if array is not None and array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}, not {shape}")
