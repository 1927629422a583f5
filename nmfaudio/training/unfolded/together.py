"""Training of all stages at once on whole mixtures: what the last mask lacks teaches the first stage too."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, cast

import numpy as np

from ...denoising.unfolded.context import Context
from ...denoising.unfolded.decomposition import stages_in_use
from ...unfolded.stage import Stage
from ...unfolded.updates import Matmul, Rows
from ...unfolded.weights import Weights, named_arrays, read_weights
from ..checkpoint import Arrays, Checkpoint
from ..data.frame_pool import stream
from .context_gradient import mask_gradient
from .gradient import Inputs, Pass, backward, forward
from .loss import Objective
from .stage import Curve, Gradients, Schedule, descend

TOGETHER = Schedule(steps=2400, rate=0.003, warm_up=30, decay=0.5, new_items=16, check_every=100, averaged=200)
"""Schedule that the shipped dictionaries were trained by."""

EARLIER = 0.2
"""Weight of the loss of each stage before the last, relative to that of the last."""


class Whole(NamedTuple):
    """A mixture with all its frames.

    Attributes
    ----------
    V : ndarray, shape (F, T)
        Compressed magnitude.
    mixture, target : ndarray, shape (T, S, F)
        As those of an :class:`nmfaudio.training.data.frame_pool.Example`.
    """

    V: np.ndarray
    mixture: np.ndarray
    target: np.ndarray


def run(stages: Sequence[Stage], V: np.ndarray, matmul: Matmul = np.matmul) -> list[Pass]:
    """Run all stages on a mixture, each on the mask of the one before."""
    passes: list[Pass] = []
    for stage in stages:
        mask = passes[-1].masks[0].T if passes else None
        stack, tracked = stage.context.stack_rows(V, mask)
        n_high = np.full(V.shape[1], stage.context.below(len(V)).n_high)
        rows = Rows.of(stage.context, n_high)
        passes.append(forward(stage.weights, stage.order, Inputs(stack, tracked), rows, matmul))
    return passes


def loss_and_gradients(
    stages: Sequence[Stage], whole: Whole, objective: Objective, matmul: Matmul = np.matmul
) -> tuple[float, list[Weights]]:
    """Compute the loss of a mixture, and its gradient by the weights of all stages.

    Parameters
    ----------
    stages : sequence of Stage
    whole : Whole
    objective : Objective
    matmul : callable
        Product of two matrices.

    Returns
    -------
    loss : float
        Of the last mask.
    gradients : list of Weights
        Of that loss, and of those of the other masks times :data:`EARLIER`.
    """
    passes = run(stages, whole.V, matmul)
    loss, gradients = 0.0, list[Weights]()
    by_mask = None
    for stage, passed, before in zip(stages[::-1], passes[::-1], [*passes[-2::-1], None], strict=True):
        height = stage.context.height
        own, dmasks = objective(passed.masks, whole.mixture[..., :height], whole.target[..., :height])
        if by_mask is None:
            loss = own
        else:
            dmasks *= np.float32(EARLIER)
            dmasks[0] += by_mask.T
        gradient = stage.weights.map(np.zeros_like)
        by_inputs = None if before is None else Inputs(*map(np.zeros_like, passed.inputs))
        backward(stage.weights, passed, dmasks, gradient, matmul, by_inputs)
        gradients.insert(0, gradient)
        if before is not None and by_inputs is not None:
            context = cast(Context, stage.context)
            by_mask = mask_gradient(context, whole.V, before.masks[0].T, passed.inputs, by_inputs)
    return loss, gradients


def train_together(
    stages: Sequence[Stage],
    whole: Callable[[int], Whole],
    dev: Sequence[Whole],
    *,
    schedule: Schedule,
    objective: Objective,
    matmul: Matmul = np.matmul,
    checkpoint: Checkpoint | None = None,
    report: Callable[[dict[str, float]], None] = lambda entry: None,
) -> tuple[list[Stage], Curve]:
    """Train all stages on, each on the mask of the one before as it is at that time.

    Parameters
    ----------
    stages : sequence of Stage
        From which training goes on.
    whole : callable
        Makes the training mixture of a number.
    dev : sequence of Whole
        Mixtures that are not trained on.
    schedule : Schedule
        A step has ``new_items`` mixtures, and all their frames.
    objective, matmul, checkpoint, report
        As for :func:`nmfaudio.training.unfolded.stage.train_stage`.

    Returns
    -------
    stages : list of Stage
        With the averaged weights at the end: where this loss on `dev` is lowest, the scores are not best.
    curve : list of dict

    Raises
    ------
    NmfaudioError
        If the loss is not finite any more.
    """
    at_once = int(schedule.new_items)
    stages = [Stage(stage.weights.copy(), stage.order, stage.context) for stage in stages]

    def gradients(step: int) -> Gradients:
        with ThreadPoolExecutor(1) as executor:
            mixtures = stream(whole, step * at_once, executor)
            while True:
                yield _mean(stages, [next(mixtures) for _ in range(at_once)], objective, matmul)

    def dev_loss(averages: Arrays) -> float:
        averaged, losses = _with(stages, averages), []
        for mixture in dev:
            used = stages_in_use(averaged, len(mixture.V))
            height = used[-1].context.height
            masks = run(used, mixture.V)[-1].masks
            losses.append(objective(masks, mixture.mixture[..., :height], mixture.target[..., :height])[0])
        return float(np.average(losses, weights=[mixture.V.shape[1] for mixture in dev]))

    arrays = named_arrays([stage.weights for stage in stages])
    last, _, curve = descend(arrays, gradients, dev_loss, schedule, checkpoint=checkpoint, report=report)
    return _with(stages, last), curve


def _mean(
    stages: Sequence[Stage], mixtures: Sequence[Whole], objective: Objective, matmul: Matmul
) -> tuple[float, Arrays]:
    """Compute the mean loss of some mixtures, frame by frame, and its gradient."""
    total, loss = {name: np.zeros_like(x) for name, x in named_arrays([s.weights for s in stages]).items()}, 0.0
    n_frames = sum(mixture.V.shape[1] for mixture in mixtures)
    for mixture in mixtures:
        share = mixture.V.shape[1] / n_frames
        own, gradients = loss_and_gradients(stages_in_use(stages, len(mixture.V)), mixture, objective, matmul)
        loss += share * own
        for name, gradient in named_arrays(gradients).items():
            total[name] += np.float32(share) * gradient
    return loss, total


def _with(stages: Sequence[Stage], arrays: Arrays) -> list[Stage]:
    return [Stage(read_weights(arrays, i), stage.order, stage.context) for i, stage in enumerate(stages)]
