"""One stage of unfolded NMF, in blocks of frames. The equations are those of :mod:`.updates`."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from ...kernels.unfolded.bfloat16 import halved
from ...kernels.unfolded.block import masks_block, ratio_block, relaxed_update
from .context import Context
from .weights import Layers, Sources, Start, Weights


class Stage:
    """Share of each source in each bin, given the mask of the stage before.

    Parameters
    ----------
    weights : Weights
    order : sequence of int
        Layer of each update.
    context : Context
        Frames around a frame that enter its stack.

    Attributes
    ----------
    block_frames : int
        Frames computed at once: matrix products reach their full speed.
    """

    block_frames = 512

    def __init__(self, weights: Weights, order: Sequence[int], context: Context) -> None:
        self.weights, self.order, self.context = weights, list(order), context

    def below(self, height: int) -> "Stage":
        """Return the stage for spectrograms that lack the highest bands: their rows are left out, as of weight 0."""
        context = self.context.below(height)
        if context is self.context:
            return self
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
        return Stage(cut.map(np.ascontiguousarray), self.order, context)

    @cached_property
    def layers(self) -> Layers:
        """Layers as the loops take them."""
        return Layers.of(self.weights, self.order, self.context)

    @cached_property
    def start(self) -> Start:
        """State of all frames before the first update."""
        h, a = (np.ascontiguousarray(x, np.float32) for x in (self.weights.start, self.weights.tracked_start))
        return Start(h, a, self.layers.atoms[self.order[0]] @ h)

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
        """Return the masks of some frames: equations (1) to (7).

        Parameters
        ----------
        V : ndarray, shape (at least F, T), float32
            Compressed magnitude; rows that only later stages have are left out.
        mask : ndarray, shape (F or fewer, T), optional
            Share of speech by the stage before; only a first stage goes without. See :func:`.context.of_height`.
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
