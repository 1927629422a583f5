"""Gradient of the loss of an unfolded stage: back through the mask and all updates.

Le Roux, Hershey and Weninger, "Deep NMF for speech separation" (2015). The equations (1) to (7) are those of
:mod:`nmfaudio.unfolded.updates`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...errors import NmfaudioError
from ...kernels.unfolded.gradient import inputs_backward, ratio_backward
from ...kernels.unfolded.limits import MOST
from ...unfolded.context import StackContext
from ...unfolded.updates import Matmul, Rows, Trace, activations, contributions, masks_of
from ...unfolded.weights import Layer, Weights
from ..data.frame_pool import Example
from .loss import Objective


def coarse_matmul() -> Matmul:
    """Matrix product in bfloat16 with sums in float32: several times as fast on processors that have it (AMX).

    Raises
    ------
    NmfaudioError
        If torch, which does it, is not installed.
    """
    try:
        import torch

        torch.set_num_threads(1)
    except ImportError:
        raise NmfaudioError("bfloat16 products need torch: pip install torch, or train without --bf16") from None

    def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        product = torch.from_numpy(a).to(torch.bfloat16) @ torch.from_numpy(b).to(torch.bfloat16)
        return product.float().numpy()

    return matmul


class Inputs(NamedTuple):
    """Input of a stage, or the gradient of a loss by it.

    Attributes
    ----------
    stack, tracked : ndarray, shape (T, D), (T, J, F + B)
        See :meth:`nmfaudio.unfolded.context.StackContext.stack_rows`.
    """

    stack: np.ndarray
    tracked: np.ndarray


class Pass(NamedTuple):
    """One run of a stage, from its input to the masks, as its gradient needs it.

    Attributes
    ----------
    inputs : Inputs
    rows : Rows
    h, a : ndarray, shape (T, K), (T, J)
        Activations after all updates.
    traces : list of Trace
    parts, masks : ndarray, shape (S, T, F)
        Of equations (5) and (7).
    """

    inputs: Inputs
    rows: Rows
    h: np.ndarray
    a: np.ndarray
    traces: list[Trace]
    parts: np.ndarray
    masks: np.ndarray


def loss_and_gradient(
    weights: Weights,
    order: Sequence[int],
    batch: Example,
    context: StackContext,
    objective: Objective,
    matmul: Matmul = np.matmul,
) -> tuple[float, Weights]:
    """Compute the loss of a batch and its gradient.

    Parameters
    ----------
    weights : Weights
    order : sequence of int
        Layer of each update.
    batch : Example
    context : StackContext
        That the batch was stacked by.
    objective : Objective
    matmul : callable
        Product of two matrices.

    Returns
    -------
    loss : float
    gradient : Weights
        By each of the weights.
    """
    inputs = Inputs(batch.stack, batch.tracked)
    passed = forward(weights, order, inputs, Rows.of(context, batch.n_high), matmul)
    loss, dmasks = objective(passed.masks, batch.mixture, batch.target)
    gradient = weights.map(np.zeros_like)
    backward(weights, passed, dmasks, gradient, matmul)
    return loss, gradient


def forward(weights: Weights, order: Sequence[int], inputs: Inputs, rows: Rows, matmul: Matmul = np.matmul) -> Pass:
    """Run a stage: equations (1) to (7)."""
    h, a, traces = activations(weights, order, *inputs, rows, matmul)
    parts = contributions(weights, h, a, inputs.tracked)
    return Pass(inputs, rows, h, a, traces, parts, masks_of(parts, weights.power))


def backward(
    weights: Weights,
    passed: Pass,
    dmasks: np.ndarray,
    gradient: Weights,
    matmul: Matmul = np.matmul,
    by_inputs: Inputs | None = None,
) -> None:
    """Differentiate a loss whose gradient by the masks is given: equations (7) to (1).

    Parameters
    ----------
    weights : Weights
    passed : Pass
        From :func:`forward`.
    dmasks : ndarray, shape (S, T, F)
        Gradient by the masks.
    gradient : Weights
        By the weights, added to.
    matmul : callable
        Product of two matrices.
    by_inputs : Inputs, optional
        Gradient by the input, added to, where it is wanted.
    """
    dh, da = _through_mask(weights, passed, dmasks, gradient, by_inputs)
    for trace in reversed(passed.traces):
        layer, dlayer = weights.layers[trace.layer], gradient.layers[trace.layer]
        dh, da = _through_update(layer, trace, passed, dh, da, len(weights.power), dlayer, matmul, by_inputs)
    gradient.start[:] += dh.sum(axis=0)
    gradient.tracked_start[:] += da.sum(axis=0)


def _through_mask(
    weights: Weights, passed: Pass, dmasks: np.ndarray, gradient: Weights, by_inputs: Inputs | None
) -> tuple[np.ndarray, np.ndarray]:
    """Differentiate equations (7) to (5): return the gradients by h and a."""
    (_, tracked), h, a, parts, masks = passed.inputs, passed.h, passed.a, passed.parts, passed.masks
    dlogits = masks * (dmasks - np.sum(masks * dmasks, axis=0))  # (7), (6), by p log(s_i)
    gradient.power[:] += np.sum(dlogits * np.log(parts), axis=(0, 1))
    dparts = dlogits * weights.power / parts
    gradient.sources[:] += dparts.transpose(0, 2, 1) @ h  # (5)
    dh = np.sum(dparts @ weights.sources, axis=0)
    da = np.zeros_like(a)
    for ds, gains, dgains in zip(dparts, weights.source_gains, gradient.source_gains, strict=True):
        height = ds.shape[1]
        for j in range(a.shape[1]):
            slope = ds * tracked[:, j, :height]
            da[:, j] += slope @ gains[j]
            dgains[j] += a[:, j] @ slope
            if by_inputs is not None:
                by_inputs.tracked[:, j, :height] += ds * gains[j] * a[:, j, None]
    return dh, da


def _through_update(
    layer: Layer,
    trace: Trace,
    passed: Pass,
    dh: np.ndarray,
    da: np.ndarray,
    height: int,
    gradient: Layer,
    matmul: Matmul,
    by_inputs: Inputs | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Differentiate one update; add to the gradient of its layer.

    Takes the gradients by h and a after the update, and returns those before it.
    """
    (stack, tracked), rows = passed.inputs, passed.rows
    inside = np.abs(np.log(trace.factor)) < MOST
    dfactor = dh * trace.h * trace.factor * inside  # (3), by the logarithm of the factor
    gradient.relaxation[:] += np.sum(dfactor * np.log(trace.quotient), axis=0)
    dquotient = dfactor * layer.relaxation / trace.quotient
    dnum = dquotient / trace.denominator
    dden_of_frames = -dnum * trace.quotient
    dden = np.stack([dden_of_frames[rows.group == group].sum(axis=0) for group in range(len(rows.present))])
    tracked_quotient = trace.tracked_numerator / trace.tracked_denominator
    dnum_a = da * trace.a / trace.tracked_denominator  # (4)
    dden_a = -dnum_a * tracked_quotient
    gradient.penalty[:] += dden.sum(axis=0)
    gradient.tracked_penalty[:] += dden_a.sum(axis=0)
    gradient.weights[:] += np.sum(rows.present * (dden @ layer.atoms.T), axis=0)
    gradient.atoms[:] += matmul(trace.q.T, dnum)
    gradient.atoms[:] += (rows.present * layer.weights).T @ dden
    dr = matmul(dnum, layer.atoms.T)  # by q, until (2) turns it into that by r
    if layer.against is not None and gradient.against is not None:
        gradient.against[:] += matmul(trace.q.T, dden_of_frames)
        dr += matmul(dden_of_frames, layer.against.T)
    da_model = np.empty_like(da)
    ratio_backward(
        stack, trace.r, trace.q, tracked, layer.gains, trace.a, layer.weights, height, rows.n_full,
        dnum_a, dden_a, dr, gradient.gains, gradient.weights, da_model,
    )  # (2), (1)  # fmt: skip
    gradient.atoms[:] += matmul(dr.T, trace.h)
    if by_inputs is not None:
        inputs_backward(
            trace.q, layer.gains, trace.a, layer.weights, height, rows.n_full, dr, dnum_a, dden_a, *by_inputs
        )
    return dh * trace.factor + matmul(dr, layer.atoms), da * tracked_quotient + da_model
