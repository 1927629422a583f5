"""Gradient of the loss of an unfolded stage: back through the mask and all updates.

Le Roux, Hershey and Weninger, "Deep NMF for speech separation" (2015). The equations (1) to (7) are those of
:mod:`nmfaudio.unfolded.updates`.
"""

from collections.abc import Sequence

import numpy as np

from ...errors import NmfaudioError
from ...kernels.unfolded.gradient import ratio_backward
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
    rows = Rows.of(context, batch.n_high)
    h, a, traces = activations(weights, order, batch.stack, batch.tracked, rows, matmul)
    gradient = weights.map(np.zeros_like)
    loss, dh, da = _through_mask(weights, h, a, batch, objective, gradient)
    for trace in reversed(traces):
        layer, dlayer = weights.layers[trace.layer], gradient.layers[trace.layer]
        dh, da = _through_update(layer, trace, batch, rows, dh, da, len(weights.power), dlayer, matmul)
    gradient.start[:] = dh.sum(axis=0)
    gradient.tracked_start[:] = da.sum(axis=0)
    return loss, gradient


def _through_mask(
    weights: Weights, h: np.ndarray, a: np.ndarray, batch: Example, objective: Objective, gradient: Weights
) -> tuple[float, np.ndarray, np.ndarray]:
    """Differentiate the loss by h and a: equations (7) to (5); fill the gradient of their weights.

    Returns the loss and both gradients.
    """
    parts = contributions(weights, h, a, batch.tracked)
    logarithms = np.log(parts)
    masks = masks_of(parts, weights.power)
    loss, dmasks = objective(masks, batch.mixture, batch.target)
    dlogits = masks * (dmasks - np.sum(masks * dmasks, axis=0))  # (7), (6), by p log(s_i)
    gradient.power[:] = np.sum(dlogits * logarithms, axis=(0, 1))
    dparts = dlogits * weights.power / parts
    gradient.sources[:] = dparts.transpose(0, 2, 1) @ h  # (5)
    dh = np.sum(dparts @ weights.sources, axis=0)
    da = np.zeros_like(a)
    for ds, gains, dgains in zip(dparts, weights.source_gains, gradient.source_gains, strict=True):
        for j in range(a.shape[1]):
            slope = ds * batch.tracked[:, j, : ds.shape[1]]
            da[:, j] += slope @ gains[j]
            dgains[j] = a[:, j] @ slope
    return loss, dh, da


def _through_update(
    layer: Layer,
    trace: Trace,
    batch: Example,
    rows: Rows,
    dh: np.ndarray,
    da: np.ndarray,
    height: int,
    gradient: Layer,
    matmul: Matmul,
) -> tuple[np.ndarray, np.ndarray]:
    """Differentiate one update; add to the gradient of its layer.

    Takes the gradients by h and a after the update, and returns those before it.
    """
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
        batch.stack, trace.r, trace.q, batch.tracked, layer.gains, trace.a, layer.weights, height, rows.n_full,
        dnum_a, dden_a, dr, gradient.gains, gradient.weights, da_model,
    )  # (2), (1)  # fmt: skip
    gradient.atoms[:] += matmul(dr.T, trace.h)
    return dh * trace.factor + matmul(dr, layer.atoms), da * tracked_quotient + da_model
