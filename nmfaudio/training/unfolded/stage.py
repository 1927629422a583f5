"""Training of one stage of an unfolded dictionary: schedule, checkpoints, learning curve."""

import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...arguments import check_count
from ...dictionary import Dictionary
from ...errors import NmfaudioError
from ...spectra.front_end import FrontEnd
from ...unfolded.context import StackContext
from ...unfolded.stage import Stage
from ...unfolded.updates import Matmul, Rows
from ...unfolded.weights import Weights, named_arrays
from ..checkpoint import Arrays, Checkpoint
from ..data.frame_pool import Example, Pool
from .adam import Adam
from .gradient import Inputs, forward, loss_and_gradient
from .loss import Objective

_AT_ONCE = 1024  # frames of the development mixtures

Curve = list[dict[str, float]]
Gradients = Generator[tuple[float, Arrays], None, None]


@dataclass(frozen=True)
class Schedule:
    """Length and rate of the training of a stage.

    The rate rises, stays, and falls over the last part of the steps, so that a run with a checkpoint in the middle can
    be ended, or prolonged, at any time.

    Parameters
    ----------
    steps : int
        Batches in all.
    rate : float
        Step of Adam in the square root of a weight, relative to their root mean square.
    warm_up : int
        Steps until the rate is reached; 0 for none.
    decay : float
        Share of the steps over which the rate falls to zero.
    n_frames : int
        Frames of a batch.
    pool_items : int
        Mixtures held at once.
    new_items : float
        Mixtures renewed at each step, on average. Where all stages are trained together, the mixtures of a step.
    item_frames : int
        Frames kept of a mixture.
    check_every : int
        Steps between looks at the development mixtures; each look is a checkpoint too.
    averaged : int
        Steps that the weights are averaged over (Polyak and Juditsky 1992, with forgetting), which cancels the
        opposite moves of single batches.

    Raises
    ------
    NmfaudioError
        If a number of steps, frames or mixtures is not positive.
    """

    steps: int = 30_000
    rate: float = 0.005
    warm_up: int = 100
    decay: float = 0.35
    n_frames: int = 1024
    pool_items: int = 300
    new_items: float = 3
    item_frames: int = 340
    check_every: int = 500
    averaged: int = 500

    def __post_init__(self) -> None:
        """Refuse a training that would never end, or hold nothing."""
        for name in ("steps", "n_frames", "pool_items", "item_frames", "check_every", "averaged"):
            check_count(name, getattr(self, name))

    def rate_at(self, step: int) -> float:
        """Rate of one step, counted from 0."""
        falling = max(1.0, self.decay * self.steps)
        return self.rate * min(1.0, (step + 1) / max(1, self.warm_up), (self.steps - step) / falling)


def mean_loss(
    weights: Weights, order: Sequence[int], examples: Example, context: StackContext, objective: Objective
) -> float:
    """Compute the loss over examples, some frames at a time."""
    total = 0.0
    for start in range(0, len(examples.stack), _AT_ONCE):
        part = Example(**{name: rows[start : start + _AT_ONCE] for name, rows in vars(examples).items()})
        passed = forward(weights, order, Inputs(part.stack, part.tracked), Rows.of(context, part.n_high))
        total += objective(passed.masks, part.mixture, part.target)[0] * len(part.stack)
    return total / len(examples.stack)


def train_stage(
    weights: Weights,
    order: Sequence[int],
    context: StackContext,
    example: Callable[[int], Example],
    dev: Example,
    *,
    schedule: Schedule,
    objective: Objective,
    random_state: int = 0,
    matmul: Matmul = np.matmul,
    to_the_end: bool = False,
    checkpoint: Checkpoint | None = None,
    report: Callable[[dict[str, float]], None] = lambda entry: None,
) -> tuple[Weights, Curve]:
    """Train the weights of one stage.

    Parameters
    ----------
    weights : Weights
        Weights to start from, as :func:`nmfaudio.training.unfolded.start.initial_weights` makes them.
    order : sequence of int
        Layer of each update.
    context : StackContext
        That the examples are stacked by.
    example : callable
        Makes the training example of a number.
    dev : Example
        Frames that are not trained on.
    schedule : Schedule
    objective : Objective
    random_state : int
        Seed of the batches.
    matmul : callable
        Matrix product of the training steps.
    to_the_end : bool
        Return the last averages, and not those of the lowest loss on `dev`: for a `dev` that is unlike what counts.
    checkpoint : Checkpoint, optional
        The state is written to it at every look at `dev`, and read from it if there is one: training that was killed
        goes on from there with the result that it would have had.
    report : callable
        Called with each entry of the learning curve.

    Returns
    -------
    weights : Weights
        Averaged over the last steps.
    curve : list of dict
        Step, rate, training loss, loss on `dev`, and seconds so far, also those before a kill.

    Raises
    ------
    NmfaudioError
        If the loss is not finite any more.
    """
    weights = weights.copy()

    def gradients(step: int) -> Gradients:
        pool = Pool(example, schedule.pool_items, schedule.new_items, step)
        try:
            while True:
                batch = pool.batch(np.random.default_rng([random_state, 2, step]), schedule.n_frames)
                loss, gradient = loss_and_gradient(weights, order, batch, context, objective, matmul)
                yield loss, gradient.arrays()
                step += 1
        finally:
            pool.close()

    def dev_loss(averages: Arrays) -> float:
        return mean_loss(Weights.from_arrays(averages), order, dev, context, objective)

    last, best, curve = descend(weights.arrays(), gradients, dev_loss, schedule, checkpoint=checkpoint, report=report)
    return Weights.from_arrays(last if to_the_end else best), curve


def descend(
    arrays: Arrays,
    gradients: Callable[[int], Gradients],
    dev_loss: Callable[[Arrays], float],
    schedule: Schedule,
    *,
    checkpoint: Checkpoint | None = None,
    report: Callable[[dict[str, float]], None] = lambda entry: None,
) -> tuple[Arrays, Arrays, Curve]:
    """Move weights against their gradient, and average them on the way.

    Parameters
    ----------
    arrays : dict of str to ndarray
        Weights, changed in place.
    gradients : callable
        Called with the number of the first step; yields loss and gradient of the weights as they are, step by step.
    dev_loss : callable
        Computes the loss of weights on the development mixtures.
    schedule : Schedule
    checkpoint, report
        As for :func:`train_stage`.

    Returns
    -------
    last, best : dict of str to ndarray
        The averaged weights at the end, and those of the lowest loss on the development mixtures.
    curve : list of dict

    Raises
    ------
    NmfaudioError
        If the loss is not finite any more.
    """
    averages, best = ({name: array.copy() for name, array in arrays.items()} for _ in range(2))
    optimiser = Adam(arrays)
    state = {"weights": arrays, "average": averages, "best": best}
    state |= {"theta": optimiser.theta, "mean": optimiser.mean, "square": optimiser.square}
    curve: Curve = []
    if checkpoint is not None:
        optimiser.step_count, curve = _restore(checkpoint, state)
    step = optimiser.step_count
    began, losses = time.monotonic() - (curve[-1]["seconds"] if curve else 0), []
    with closing(gradients(step)) as steps:
        while step < schedule.steps:
            loss, gradient = next(steps)
            if not np.isfinite(loss):
                raise NmfaudioError(f"training broke down at step {step}: the loss is {loss}; try a smaller rate")
            rate = schedule.rate_at(step)
            optimiser.step(arrays, gradient, rate)
            losses.append(loss)
            step = optimiser.step_count
            for name, array in averages.items():
                array += (arrays[name] - array) * np.float32(max(1 / step, 1 / schedule.averaged))
            if step % schedule.check_every == 0 or step == schedule.steps:
                dev = dev_loss(averages)
                if dev <= min((entry["dev"] for entry in curve), default=np.inf):
                    for name, array in averages.items():
                        best[name][...] = array
                spent = time.monotonic() - began
                curve.append(
                    {"step": step, "rate": rate, "train": float(np.mean(losses)), "dev": dev, "seconds": spent}
                )
                losses.clear()
                report(curve[-1])
                if checkpoint is not None:
                    progress = {"step": np.array(step), "curve": np.array(json.dumps(curve))}
                    checkpoint.save({**state, "progress": progress})
    return averages, best, curve


def trained_dictionary(
    kind: str,
    stages: Sequence[Stage],
    curves: Sequence[tuple[Schedule, Curve]],
    front_end: FrontEnd,
    objective: Objective,
    random_state: int,
    settings: Mapping[str, Any],
) -> Dictionary:
    """Make a dictionary of trained stages, whose record holds how the last of them were trained, and no corpora."""
    return Dictionary(
        kind,
        named_arrays([stage.weights for stage in stages]),
        front_end,
        {**settings, "stages": [_settings(stage) for stage in stages]},
        {
            "objective": asdict(objective),
            "seed": random_state,
            "stages": [{"schedule": asdict(schedule), "curve": curve} for schedule, curve in curves],
        },
    )


def _settings(stage: Stage) -> dict[str, Any]:
    return {"order": stage.order, "context": asdict(stage.context), "passes": stage.passes, "joined": stage.joined}


def _restore(checkpoint: Checkpoint, state: dict[str, Arrays]) -> tuple[int, Curve]:
    """Fill the arrays of the state from a checkpoint, if it has them; return the step and the learning curve."""
    progress = checkpoint.load("progress")
    if progress is None:
        return 0, []
    for group, arrays in state.items():
        saved = checkpoint.load(group) or {}
        for name, array in arrays.items():
            array[...] = saved[name]
    return int(progress["step"]), json.loads(str(progress["curve"]))
