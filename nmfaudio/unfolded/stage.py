"""One stage of unfolded NMF, in blocks of frames. The equations are those of :mod:`.updates`."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..dictionary import Dictionary
from ..errors import DictionaryError
from ..kernels.unfolded.bfloat16 import halved
from ..kernels.unfolded.block import masks_block, ratio_block, relaxed_update
from ..kernels.unfolded.limits import LEAST_MASK
from ..spectra.front_end import FrontEnd
from .context import StackContext
from .weights import Layers, Sources, Start, Weights, read_weights

_MOST_PASSES = 10


class Stage:
    """Share of each source in each bin, given the mask of the stage before.

    Parameters
    ----------
    weights : Weights
    order : sequence of int
        Layer of each update.
    context : StackContext
        Frames around a frame that enter its stack.
    passes : int
        Times that :func:`run_stages` runs the stage.
    joined : bool
        If true, :func:`run_stages` averages the masks of the stage with those of the stage before.

    Attributes
    ----------
    block_frames : int
        Frames computed at once: matrix products reach their full speed.
    """

    block_frames = 512

    def __init__(
        self, weights: Weights, order: Sequence[int], context: StackContext, passes: int = 1, joined: bool = False
    ) -> None:
        self.weights, self.order, self.context = weights, list(order), context
        self.passes, self.joined = passes, joined
        self._below: dict[int, Stage] = {}  # there are few rates

    def of(self, weights: Weights) -> "Stage":
        """Return the same stage with other weights."""
        return Stage(weights, self.order, self.context, self.passes, self.joined)

    def below(self, height: int) -> "Stage":
        """Return the stage for spectrograms of `height` rows, which may lack the highest bands.

        Rows of bands that are missing are left out, which is what a weight of 0 does.
        """
        if height >= self.context.height:
            return self
        if height not in self._below:
            self._below[height] = self._cut(height)
        return self._below[height]

    def _cut(self, height: int) -> "Stage":
        context = self.context.below(height)
        rows, _ = self.context.kept(context)
        w = self.weights
        layers = tuple(
            layer._replace(
                atoms=layer.atoms[rows],
                weights=layer.weights[rows],
                gains=layer.gains[:, rows],
                against=None if layer.against is None else layer.against[rows],
            )
            for layer in w.layers
        )
        sources = {"sources": w.sources[:, :height], "source_gains": w.source_gains[..., :height]}
        cut = w._replace(layers=layers, power=w.power[:height], **sources)
        return Stage(cut.map(np.ascontiguousarray), self.order, context, self.passes, self.joined)

    @cached_property
    def layers(self) -> Layers:
        """Layers as the loops take them."""
        return Layers.of(self.weights, self.order, self.context)

    @cached_property
    def start(self) -> Start:
        """State of all frames before the first update."""
        h, a = (np.ascontiguousarray(x, np.float32) for x in (self.weights.start, self.weights.tracked_start))
        # not by OpenBLAS, which computes with what lies behind so thin a matrix, too: numpy warns of an invalid value
        return Start(h, a, np.einsum("dk,k->d", self.layers.atoms[self.order[0]], h))

    @cached_property
    def sources(self) -> Sources:
        """Arrays that turn activations into masks."""
        w = self.weights
        arrays = np.concatenate(w.sources), w.source_gains, w.power
        return Sources(*(np.ascontiguousarray(array, np.float32) for array in arrays))

    @cached_property
    def halved_layers(self) -> Layers:
        """Layers with their matrices in bfloat16 where that is exact."""
        return self.layers._replace(atoms=halved(self.layers.atoms), against=halved(self.layers.against))

    @cached_property
    def halved_sources(self) -> Sources:
        """Sources with their matrix in bfloat16 where that is exact."""
        return self.sources._replace(atoms=halved(self.sources.atoms))

    def __call__(self, V: np.ndarray, mask: np.ndarray | None = None, frames: slice = slice(None)) -> np.ndarray:
        """Return the masks of some frames by one pass: equations (1) to (7).

        Parameters
        ----------
        V : ndarray, shape (..., at least F, T), float32
            Compressed magnitude, and cues beside it if the context takes some; rows that only later stages have are
            left out.
        mask : ndarray, shape (..., F or fewer, T), optional
            Mask or masks by the stage before, as the context takes them; only a first stage goes without.
        frames : slice
            Frames that the masks are wanted for; all by default.

        Returns
        -------
        ndarray, shape (S, F, T of `frames`)
            They sum to one.
        """
        start, stop, _ = frames.indices(V.shape[-1])
        first = max(0, start - self.context.past)
        near = slice(first, stop + self.context.future)
        around = self.context.around(V[..., near], None if mask is None else mask[..., near])
        out = np.empty((*self.weights.sources.shape[:2], stop - start), V.dtype)
        for begin in range(start, stop, self.block_frames):
            end = min(begin + self.block_frames, stop)
            block = around.stack_columns(begin - first, end - first)
            out[..., begin - start : end - start] = self._masks(*block)
        return out

    def _masks(self, stack: np.ndarray, tracked: np.ndarray) -> np.ndarray:
        """Compute the masks (S, F, T) from a stack (D, T) and tracked atoms (J, F + B, T)."""
        layers, height, n_frames = self.layers, self.context.height, stack.shape[1]
        H, a, model = (np.repeat(x[:, None], n_frames, axis=1) for x in self.start)
        p, numerator, denominator = np.empty_like(H), np.empty_like(a), np.empty_like(a)
        for number, i in enumerate(layers.order):
            W, m = layers.atoms[i], layers.against_of[i]
            if number > 0:
                np.dot(W, H, out=model)
            ratio_block(stack, model, tracked, layers, i, a, height, numerator, denominator)
            ratio = model
            np.dot(W.T, ratio, out=p)
            if m >= 0:
                p /= 1 + (layers.against[m].T @ ratio) / layers.denominator[i][:, None]
            relaxed_update(H, p, layers.denominator[i], layers.relaxation[i])
            a *= numerator / (denominator + layers.tracked_penalty[i][:, None])
        parts: np.ndarray = (self.sources.atoms @ H).reshape(-1, height, n_frames)
        masks_block(parts, tracked, a, self.sources)
        return parts


def run_stages(
    stages: Sequence[Stage],
    V: np.ndarray,
    start: int,
    stop: int,
    taken: Callable[[np.ndarray], np.ndarray] = lambda masks: masks,
    corrected: Callable[[np.ndarray, slice], np.ndarray] = lambda mask, frames: mask,
) -> np.ndarray:
    """Compute the masks of some frames, stage after stage; each also computes the frames that later stages look at.

    A stage of several passes takes its own mask from the second one on. What it gives is the geometric mean of the
    masks of all passes, equation (8); that of a joined stage has those of the stage before in it, too.

    Parameters
    ----------
    stages : sequence of Stage
    V : ndarray, shape (..., F, T)
        What the stages take.
    start, stop : int
        Frames that the masks are wanted for.
    taken : callable
        Called with the masks of a pass; returns those that the next pass or stage takes, and the caller gets.
    corrected : callable
        Called with those of a stage and their frames; returns them corrected.

    Returns
    -------
    ndarray, shape (..., F, stop - start)
    """
    mask, known = None, 0  # the mask of the frames from `known` on
    past, future = reach(stages)
    masks: list[np.ndarray] = []
    for stage in stages:
        if not stage.joined:
            masks = []
        for _ in range(stage.passes):
            past, future = past - stage.context.past, future - stage.context.future
            first, last = max(0, start - past), min(V.shape[-1], stop + future)
            own = stage(V[..., known:], mask, slice(first - known, last - known))
            masks = [earlier[..., first - known : last - known] for earlier in masks]
            mask, known = taken(own), first
            masks.append(mask)
        mask = corrected(geometric_mean(masks), slice(first, last))
    assert mask is not None
    return mask


def reach(stages: Sequence[Stage]) -> tuple[int, int]:
    """Return the numbers of frames before and after a frame that its mask depends on."""
    past = sum(stage.passes * stage.context.past for stage in stages)
    return past, sum(stage.passes * stage.context.future for stage in stages)


def geometric_mean(masks: Sequence[np.ndarray]) -> np.ndarray:
    """Return the geometric mean of masks of one shape; a single one as it is."""
    if len(masks) == 1:
        return masks[0]
    product: np.ndarray = np.prod([np.maximum(mask, LEAST_MASK) for mask in masks], axis=0)
    return product ** np.float32(1 / len(masks))


def read_stages(
    dictionary: Dictionary, context_of: Callable[[dict[str, Any]], StackContext], n_sources: int
) -> list[Stage]:
    """Read the stages of an unfolded dictionary.

    Parameters
    ----------
    dictionary : Dictionary
    context_of : callable
        Rebuilds a context from its settings.
    n_sources : int

    Returns
    -------
    list of Stage

    Raises
    ------
    DictionaryError
        If a stage lacks settings or arrays, or they do not fit each other.
    """
    stages: list[Stage] = []
    try:
        for i, settings in enumerate(dictionary.settings["stages"]):
            weights, context = read_weights(dictionary.arrays, i), context_of(settings["context"])
            _check_stage(weights, settings["order"], context, dictionary.front_end, n_sources)
            passes = settings.get("passes", 1)
            if type(passes) is not int or not 1 <= passes <= (_MOST_PASSES if i else 1):  # a first stage takes no mask
                raise ValueError(f"{passes!r} passes of stage {i}")
            joined = settings.get("joined", False)
            if type(joined) is not bool or joined and not (stages and context.n_high == stages[-1].context.n_high):
                raise ValueError(f"joined {joined!r} of stage {i}: false, or true after a stage for as many bands")
            stages.append(Stage(weights, settings["order"], context, passes, joined))
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        if isinstance(error, DictionaryError):
            raise
        raise DictionaryError(
            f"dictionary {dictionary.name!r}: its stages are broken ({type(error).__name__}: {error})"
        ) from None
    if not stages:
        raise DictionaryError(f"dictionary {dictionary.name!r}: has no stages")
    return stages


def _check_stage(
    weights: Weights, order: list[int], context: StackContext, front_end: FrontEnd, n_sources: int
) -> None:
    """Refuse a stage with settings out of range, or with arrays that do not fit them."""
    spans = [span for part in context.layout for span in part.spans]
    n_bins, n_high, height = front_end.n_bins, context.n_high, context.height
    if context.n_bins != n_bins or not 1 <= context.n_bands <= n_bins:
        raise ValueError(f"{context.n_bins} bins, {context.n_bands} bands")
    if n_high not in (0, front_end.n_high):
        raise ValueError(f"{n_high} bands above the bins, not {front_end.n_high}")
    if not 0 < context.max_hz <= 1e6 or not all(-10_000 <= first <= last <= 10_000 for first, last in spans):
        raise ValueError(f"spans {spans} up to {context.max_hz} Hz")
    if not 1 <= len(order) <= 100 or not all(0 <= i < len(weights.layers) for i in order):
        raise ValueError(f"order {order} of {len(weights.layers)} layers")
    D, J, K = context.n_rows, context.n_tracked, weights.start.shape[0]
    layer = {"atoms": (D, K), "weights": (D,), "penalty": (K,), "relaxation": (K,), "gains": (J, D)}
    layer |= {"tracked_penalty": (J,), "against": (D, K)}
    last: dict[str, tuple[int, ...]] = {"start": (K,), "tracked_start": (J,), "power": (height,)}
    last |= {"sources": (n_sources, height, K), "source_gains": (n_sources, J, height)}
    for arrays, shapes in [*((layer_, layer) for layer_ in weights.layers), (weights, last)]:
        for name, shape in shapes.items():
            array = getattr(arrays, name)
            if array is not None and array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}, not {shape}")
