"""The loop that all iterative factorisations share."""

from collections.abc import Callable

import numpy as np


def descend(step: Callable[[], float], objective: Callable[[], float], max_iter: int, tol: float) -> np.ndarray:
    """Repeat a step until ten of them have lowered the root of the objective by less than `tol` times its first value.

    The root is what scikit-learn's `tol` refers to: an error in X's own unit, which falls on where the objective itself
    has become small.

    Parameters
    ----------
    step : callable
        One iteration, in place; returns the objective before it, which is where an iteration's work can be shared.
    objective : callable
        The objective at the present point.
    max_iter : int
        Largest number of iterations.
    tol : float
        0 runs all iterations.

    Returns
    -------
    ndarray, shape (n_iter + 1,)
        The objective at the start and after every iteration.
    """
    trace: list[float] = []
    for i in range(max_iter):
        trace.append(step())
        if tol > 0 and i >= 10 and _root(trace[-11]) - _root(trace[-1]) <= tol * _root(trace[0]):
            break
    return np.array([*trace, objective()])


def telling(step: Callable[[], object], objective: Callable[[], float]) -> Callable[[], float]:
    """A step for `descend` that evaluates the objective before it."""

    def step_from() -> float:
        before = objective()
        step()
        return before

    return step_from


def _root(value: float) -> float:
    return max(value, 0.0) ** 0.5
