"""Adam for non-negative weights."""

import numpy as np

from ...kernels.unfolded.adam import adam_square
from ..checkpoint import Arrays

_BETA1, _BETA2 = 0.9, 0.99  # weight of the past in the first and the second moment
_LEAST_ROOT = 1e-4
_LONGEST, _STEPS_BEFORE_CLIPPING = 2.0, 100  # of a gradient, relative to the root mean square of those before


class Adam:
    """Adam on the square roots of non-negative weights (Kingma and Ba 2015, algorithm 1).

    The size of a step hardly depends on that of the gradient; it is relative to the root mean square of an array's
    roots. On logarithms, where steps are factors, weights that hardly matter wander over many orders of magnitude; on
    roots they stay. A gradient much longer than those before it is shortened: one odd batch would otherwise steer the
    next ten steps.

    Parameters
    ----------
    arrays : dict of str to ndarray
        Weights to start from.

    Attributes
    ----------
    step_count : int
    theta, mean, square : dict of str to ndarray
        Roots of the weights, and first and second moments of the gradient by them.
    """

    def __init__(self, arrays: Arrays) -> None:
        self.step_count = 0
        self.theta = {k: np.sqrt(v) for k, v in arrays.items()}
        self.mean = {k: np.zeros_like(v) for k, v in arrays.items()}
        self.square = {k: np.zeros_like(v) for k, v in arrays.items()}

    def step(self, arrays: Arrays, gradient: Arrays, rate: float) -> None:
        """Move the weights against their gradient, in place.

        Parameters
        ----------
        arrays : dict of str to ndarray
            Weights, changed in place.
        gradient : dict of str to ndarray
            Gradient by them; one that is too long is changed too.
        rate : float
            Length of the step, relative to the root mean square of the roots.
        """
        self.step_count += 1
        corrections = 1 - _BETA1**self.step_count, 1 - _BETA2**self.step_count
        for k, array in arrays.items():
            length = rate * float(np.sqrt(array.mean()))
            if self.step_count > _STEPS_BEFORE_CLIPPING:
                longest = _LONGEST * np.sqrt(self.square[k].sum())
                gradient[k] *= min(1, longest / (2 * np.linalg.norm(self.theta[k] * gradient[k]) + 1e-30))
            flat = (x.reshape(-1) for x in (self.theta[k], array, gradient[k], self.mean[k], self.square[k]))
            adam_square(*flat, *map(np.float32, (length, _BETA1, _BETA2, *corrections, _LEAST_ROOT)))
