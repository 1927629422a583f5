"""Training of all stages at once on whole mixtures: the error of the last mask trains the first stage too."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import NamedTuple, cast

import numpy as np

from ...denoising.unfolded.context import Context
from ...denoising.unfolded.decomposition import stages_in_use
from ...kernels.unfolded.limits import LEAST_MASK
from ...unfolded.stage import Stage, geometric_mean
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
"""Weight of the loss of the mask of each pass before the last, relative to that of the last mask."""


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


class Run(NamedTuple):
    """Run of a stage on a mixture.

    Attributes
    ----------
    passes : list of Pass
    given : list of ndarray
        Mask (F, T) that each pass was given; None for the first stage.
    mask : ndarray, shape (T, F)
        Mask of speech of the stage.
    n_masks : int
        Masks that it is the mean of: those of its passes, and of the stages that it is joined to.
    """

    passes: list[Pass]
    given: list[np.ndarray | None]
    mask: np.ndarray
    n_masks: int


def run(stages: Sequence[Stage], V: np.ndarray, matmul: Matmul = np.matmul) -> list[Run]:
    """Run all stages on a mixture, each on the mask of the one before."""
    runs: list[Run] = []
    mask: np.ndarray | None = None
    masks: list[np.ndarray] = []
    for stage in stages:
        if not stage.joined:
            masks = []
        passes, given = list[Pass](), list[np.ndarray | None]()
        n_high = np.full(V.shape[1], stage.context.below(len(V)).n_high)
        rows = Rows.of(stage.context, n_high)
        for _ in range(stage.passes):
            given.append(mask)
            stack, tracked = stage.context.stack_rows(V, mask)
            passes.append(forward(stage.weights, stage.order, Inputs(stack, tracked), rows, matmul))
            mask = passes[-1].masks[0].T
        masks += [passed.masks[0] for passed in passes]
        runs.append(Run(passes, given, geometric_mean(masks), len(masks)))
        mask = runs[-1].mask.T
    return runs


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
        Of that loss, and of those of the masks of all passes before the last times :data:`EARLIER`.
    """
    runs = run(stages, whole.V, matmul)
    height = stages[-1].context.height
    loss, dmasks = objective(runs[-1].mask[None], whole.mixture[..., :height], whole.target[..., :height])
    by_mask, gradients = dmasks[0], list[Weights]()
    means: list[tuple[Run, np.ndarray]] = []  # those that the masks of a stage are in, and the gradient by them
    for stage, this in zip(stages[::-1], runs[::-1], strict=True):
        passes, given = this.passes, this.given
        gradient, height = stage.weights.map(np.zeros_like), stage.context.height
        means, by_mask = [*means, (this, by_mask)], np.zeros_like(by_mask)
        for passed, before in zip(passes[::-1], given[::-1], strict=True):
            if passed is runs[-1].passes[-1]:  # its own mask has no loss beside that of the mean
                dmasks = np.zeros_like(passed.masks)
            else:
                _, dmasks = objective(passed.masks, whole.mixture[..., :height], whole.target[..., :height])
                dmasks *= np.float32(EARLIER)
            dmasks[0] += by_mask + sum(_by_one(passed.masks[0], mean, by_mean) for mean, by_mean in means)
            by_inputs = None if before is None else Inputs(*map(np.zeros_like, passed.inputs))
            backward(stage.weights, passed, dmasks, gradient, matmul, by_inputs)
            if before is not None and by_inputs is not None:
                by_mask = mask_gradient(cast(Context, stage.context), whole.V, before, passed.inputs, by_inputs).T
        gradients.insert(0, gradient)
        if not stage.joined:
            means = []
    return loss, gradients


def _by_one(mask: np.ndarray, mean: Run, by_mean: np.ndarray) -> np.ndarray:
    """Gradient by one of the masks of a mean, given that by their mean."""
    n = mean.n_masks
    return by_mean if n == 1 else by_mean * mean.mask / (np.float32(n) * np.maximum(mask, LEAST_MASK))


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
    stages = [stage.of(stage.weights.copy()) for stage in stages]

    def gradients(step: int) -> Gradients:
        with ThreadPoolExecutor(1) as beside, ThreadPoolExecutor(os.cpu_count()) as cores:
            mixtures = stream(whole, step * at_once, beside)
            while True:
                yield _mean(stages, [next(mixtures) for _ in range(at_once)], objective, matmul, cores)

    def dev_loss(averages: Arrays) -> float:
        averaged, losses = _with(stages, averages), []
        for mixture in dev:
            used = stages_in_use(averaged, len(mixture.V))
            height = used[-1].context.height
            mask = run(used, mixture.V)[-1].mask
            losses.append(objective(mask[None], mixture.mixture[..., :height], mixture.target[..., :height])[0])
        return float(np.average(losses, weights=[mixture.V.shape[1] for mixture in dev]))

    arrays = named_arrays([stage.weights for stage in stages])
    last, _, curve = descend(arrays, gradients, dev_loss, schedule, checkpoint=checkpoint, report=report)
    return _with(stages, last), curve


def _mean(
    stages: Sequence[Stage], mixtures: Sequence[Whole], objective: Objective, matmul: Matmul, cores: Executor
) -> tuple[float, Arrays]:
    """Compute the mean loss of some mixtures, frame by frame, and its gradient; added up in their order."""

    def of_one(mixture: Whole) -> tuple[float, list[Weights]]:
        return loss_and_gradients(stages_in_use(stages, len(mixture.V)), mixture, objective, matmul)

    total, loss = {name: np.zeros_like(x) for name, x in named_arrays([s.weights for s in stages]).items()}, 0.0
    n_frames = sum(mixture.V.shape[1] for mixture in mixtures)
    for mixture, (own, gradients) in zip(mixtures, cores.map(of_one, mixtures), strict=True):
        share = mixture.V.shape[1] / n_frames
        loss += share * own
        for name, gradient in named_arrays(gradients).items():
            total[name] += np.float32(share) * gradient
    return loss, total


def _with(stages: Sequence[Stage], arrays: Arrays) -> list[Stage]:
    return [stage.of(read_weights(arrays, i)) for i, stage in enumerate(stages)]
