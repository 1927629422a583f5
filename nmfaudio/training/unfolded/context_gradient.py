"""Gradient of the input of a later stage by the mask that it is made of.

It goes back through the parts that :class:`nmfaudio.denoising.unfolded.context.Context` computes. Two dependences are
left out: that of the pitch on the mask, and that on the mask of silent frames, which comes from rounding.
"""

import numpy as np

from ...denoising.unfolded.context import Context, of_height
from ...kernels.unfolded.limits import LEAST_MEAN, LEAST_SHARE
from ...unfolded.context import Means, Span
from .gradient import Inputs


def mask_gradient(context: Context, V: np.ndarray, mask: np.ndarray, inputs: Inputs, by_inputs: Inputs) -> np.ndarray:
    """Compute the gradient of a loss by the mask of the stage before.

    Parameters
    ----------
    context : Context
        Of the stage.
    V : ndarray, shape (F, T)
        Compressed magnitude.
    mask : ndarray, shape (F', T)
        Mask of the stage before, which may have fewer rows.
    inputs, by_inputs : Inputs
        Input of the stage, of all frames, and the gradient of the loss by it.

    Returns
    -------
    ndarray, shape (F', T)
    """
    whole, context = context, context.below(len(V))
    V = V[: context.height]
    stack_rows, atom_rows = whole.kept(context)
    stack, dstack = (np.ascontiguousarray(x.stack.T[stack_rows]) for x in (inputs, by_inputs))
    tracked, dtracked = (np.ascontiguousarray(x.tracked.transpose(1, 2, 0)[:, atom_rows]) for x in (inputs, by_inputs))
    height, bands = context.height, context.bands
    V_sum = V.sum(axis=0)
    sounding = V_sum > LEAST_MEAN
    scale = np.where(sounding, stack[:height].sum(axis=0) / np.maximum(V_sum, LEAST_MEAN), 0)
    # the stack, and the tracked atoms with it, are divided by the mean of the stack
    level = (np.sum(dstack * stack, axis=0) + np.sum(dtracked * tracked, axis=(0, 1))) / len(stack)
    dstack = scale * (dstack - level)
    datoms = scale * (dtracked[:, :height] + bands.T @ dtracked[:, height:])

    parts = {part.name: part for part in context.layout}

    def back(name: str) -> np.ndarray:
        """Gradient by the rows that a part of the stack averages."""
        part = parts[name]
        n_rows = height if part.kind == "rows" else context.n_averages
        return _means_backward(dstack[part.rows].reshape(len(part.spans), n_rows, V.shape[1]), part.spans)

    full = of_height(mask, height)
    share = 1 - full
    dnoise, dshare = np.zeros_like(V), np.zeros_like(V)
    if context.speech_frames or context.noise_frames:
        dnoise += back("noise_frames") - back("speech_frames")
    if context.speech_means or context.noise_means:
        noise_bands = bands @ (V * share)
        dnoise += bands.T @ (back("noise_means") - back("speech_means") * (bands @ V > noise_bands))
    if context.estimates:
        speech, noise = (datoms[parts[f"{name}_estimate"].rows][0] for name in ("speech", "noise"))
        dnoise += noise - speech
    if context.noise_spectra:
        rows, spans = parts["noise_spectra"].rows, context.noise_spectra
        shares = np.empty((len(spans), *V.shape), V.dtype)
        Means(share, spans).write(0, shares)
        shares += LEAST_SHARE
        slopes = datoms[rows] / shares
        spectra = tracked[rows, :height] / np.where(scale > 0, scale, np.inf)
        dnoise += _means_backward(slopes, spans)
        dshare -= _means_backward(slopes * spectra, spans)
    dmask = np.where(sounding, -(V * dnoise + dshare), 0)
    result = np.zeros_like(mask)
    result[:height] = dmask[: len(mask)]
    if len(mask) < height:
        top = len(mask) // 4
        result[-top:] += dmask[len(mask) :].sum(axis=0) / top
    return result


def _means_backward(pieces: np.ndarray, spans: tuple[Span, ...]) -> np.ndarray:
    """Gradient by rows whose means over spans have these gradients, shape (spans, R, T)."""
    total = np.zeros(pieces.shape[1:], pieces.dtype)
    for piece, (first, last) in zip(pieces, spans, strict=True):
        padded = np.pad(np.cumsum(piece, axis=1, dtype=np.float64), ((0, 0), (1, 0)))
        frames = np.arange(piece.shape[1])
        low, high = (np.clip(frames + k, 0, len(frames)) for k in (-last, 1 - first))
        total += ((padded[:, high] - padded[:, low]) / (last - first + 1)).astype(total.dtype)
    return total
