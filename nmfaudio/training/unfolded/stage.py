"""Training of one stage of an unfolded dictionary: schedule, checkpoints, learning curve."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...denoising.unfolded.decomposition import Matmul, activations, estimates
from ...errors import NmfaudioError
from ..data.frame_pool import Example, Pool
from .gradient import Adam, Arrays, Objective, loss_and_gradient

Report = Callable[[dict[str, float]], None]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a stage is trained.

    The rate rises, stays, and falls over the last part of the steps, so that a run that was checkpointed in the
    middle can be ended, or prolonged, at any time.

    Parameters
    ----------
    steps : int
        Batches in all.
    rate : float
        Step of Adam in the square root of a weight, relative to their root mean square.
    warm_up, decay : int, float
        Steps until the rate is reached; share of the steps over which it falls to zero.
    n_frames : int
        Frames of a batch.
    pool_items, new_items : int
        Mixtures held at once, and renewed at each step.
    item_frames : int
        Frames kept of a mixture.
    check_every : int
        Steps between looks at the development mixtures; each look is a checkpoint too.
    averaged : int
        Steps that the weights are averaged over (Polyak and Juditsky 1992, with forgetting): what single batches
        push to and fro cancels.
    """

    steps: int = 30_000
    rate: float = 0.005
    warm_up: int = 100
    decay: float = 0.35
    n_frames: int = 1024
    pool_items: int = 300
    new_items: int = 3
    item_frames: int = 340
    check_every: int = 500
    averaged: int = 500

    def rate_at(self, step: int) -> float:
        """Rate of one step, counted from 0."""
        falling = max(1.0, self.decay * self.steps)
        return self.rate * min(1.0, (step + 1) / self.warm_up, (self.steps - step) / falling)


def mean_loss(P: Arrays, order: list[int], examples: Example, objective: Objective, n_frames: int = 1024) -> float:
    """Loss over examples, a batch at a time."""
    total = 0.0
    for start in range(0, len(examples.stack), n_frames):
        part = Example(**{name: rows[start : start + n_frames] for name, rows in vars(examples).items()})
        h, a, _ = activations(P, order, part.stack, part.tracked)
        S, N = estimates(P, h, a, part.tracked)
        total += objective(S / (S + N), part.mixture, part.target)[0] * len(part.stack)
    return total / len(examples.stack)


def train_stage(
    P: Arrays,
    order: list[int],
    example: Callable[[int], Example],
    dev: Example,
    *,
    schedule: Schedule,
    objective: Objective,
    seed: int = 0,
    matmul: Matmul = np.matmul,
    checkpoint: Path | None = None,
    report: Report = lambda entry: None,
) -> tuple[Arrays, list[dict[str, float]]]:
    """Train the arrays of one stage in place.

    Parameters
    ----------
    P : dict of str to ndarray
        From :func:`nmfaudio.training.unfolded.start.initial_weights`; changed in place.
    order : list of int
        Layer of each update.
    example : callable
        Training example of a number.
    dev : Example
        Frames that the training does not see.
    schedule, objective : Schedule, Objective
    seed : int
        Of the batches.
    matmul : callable
        Matrix product of the training steps.
    checkpoint : Path, optional
        File that the state is written to at every look at `dev`, and read from if it exists: training that was
        killed goes on from there with the result that it would have had.
    report : callable
        Called with each entry of the learning curve.

    Returns
    -------
    P : dict of str to ndarray
        The averaged arrays of the lowest loss on `dev`.
    curve : list of dict
        Step, rate, training loss, loss on `dev`, seconds.
    """
    optimiser = Adam(P)
    curve: list[dict[str, float]] = []
    average = {name: array.copy() for name, array in P.items()}
    best = {name: array.copy() for name, array in P.items()}
    groups = {"P": P, "average": average, "best": best}
    groups |= {"theta": optimiser.theta, "mean": optimiser.mean, "square": optimiser.square}
    if checkpoint is not None and checkpoint.exists():
        curve = _restore(checkpoint, groups, optimiser)
    step = optimiser.step_count
    pool = Pool(example, schedule.pool_items, schedule.new_items, first=step * schedule.new_items)
    began, losses = time.monotonic(), []
    try:
        while step < schedule.steps:
            batch = pool.batch(np.random.default_rng([seed, 2, step]), schedule.n_frames)
            loss, gradient = loss_and_gradient(P, order, batch, objective, matmul)
            if not np.isfinite(loss):
                raise NmfaudioError(f"training broke down at step {step}: the loss is {loss}; try a smaller rate")
            rate = schedule.rate_at(step)
            optimiser.step(P, gradient, rate)
            losses.append(loss)
            step = optimiser.step_count
            for name, array in average.items():
                array += (P[name] - array) * np.float32(max(1 / step, 1 / schedule.averaged))
            if step % schedule.check_every == 0 or step == schedule.steps:
                dev_loss = mean_loss(average, order, dev, objective)
                if dev_loss <= min((entry["dev"] for entry in curve), default=np.inf):
                    for name, array in average.items():
                        best[name][...] = array
                spent = time.monotonic() - began
                curve.append(
                    {"step": step, "rate": rate, "train": float(np.mean(losses)), "dev": dev_loss, "seconds": spent}
                )
                losses.clear()
                report(curve[-1])
                if checkpoint is not None:
                    _save(checkpoint, groups, optimiser, curve)
    finally:
        pool.close()
    return best, curve


def _save(path: Path, groups: dict[str, Arrays], optimiser: Adam, curve: list[dict[str, float]]) -> None:
    arrays = {f"{group}/{name}": array for group, part in groups.items() for name, array in part.items()}
    arrays |= {"curve": np.array(json.dumps(curve)), "step": np.array(optimiser.step_count)}
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    os.replace(temporary, path)


def _restore(path: Path, groups: dict[str, Arrays], optimiser: Adam) -> list[dict[str, float]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            saved = dict(file)
    except Exception:  # numpy and zipfile raise a dozen kinds on another file
        raise NmfaudioError(f"{path}: not a checkpoint of this training; remove it or name another") from None
    for group, part in groups.items():
        for name, array in part.items():
            found = saved.get(f"{group}/{name}")
            if found is None or found.shape != array.shape:
                raise NmfaudioError(f"{path}: checkpoint of another model; remove it or name another")
            array[...] = found
    optimiser.step_count = int(saved["step"])
    return json.loads(str(saved["curve"]))
