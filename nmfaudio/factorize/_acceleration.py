"""Fewer iterations to the same objective: updates that go further, and never uphill."""

from collections.abc import Callable, Sequence

import numpy as np

_RELAXATION = 0.5  # measured on spectrograms: with 0.3 to 0.6 a target is reached after about the same iterations


class Accelerated:
    """Iterations of multiplicative updates that go further than each update would, as long as the objective falls.

    Every factor's change is made larger by the power 1.5 (over-relaxation), and after all of them Nesterov's momentum
    is added in the same way: a factor X becomes ``X (X / Y)^a``, Y being the factor of the iteration before and
    ``a = (k - 1) / (k + 2)`` in the k-th iteration since the start. Should the objective be found higher after it, the
    iteration is done again without either, and the momentum starts anew, so that the updates' own promise holds.
    Compare L. Hien, V. Leplat, N. Gillis, "Block majorization minimization with extrapolation and application to
    beta-NMF", 2024.

    Parameters
    ----------
    factors : sequence of ndarray
        Changed in place.
    iterate : callable
        One update of each factor, in place, whose change is made larger by the power ``1 + relaxation``; returns the
        objective before it. With a relaxation of 0 the objective does not rise.
    objective : callable
        Objective at the present factors.
    """

    def __init__(
        self, factors: Sequence[np.ndarray], iterate: Callable[[float], float], objective: Callable[[], float]
    ) -> None:
        self._factors, self._iterate, self._objective = factors, iterate, objective
        self._start = [X.copy() for X in factors]  # of the last iteration
        self._relaxed = [X.copy() for X in factors]
        self._count, self._value = 0, np.inf

    def step(self) -> float:
        """One iteration; the objective before it."""
        from ..kernels.extrapolation import extrapolate

        start = [X.copy() for X in self._factors]
        value = self._iterate(_RELAXATION)
        if not value <= self._value:  # what the last iteration came to is no better than where it began
            self._put_back()
            self._count = 0
            return self._iterate(0.0)
        self._start, self._value = start, value
        self._count += 1
        momentum = (self._count - 1) / (self._count + 2)
        for i, X in enumerate(self._factors):
            relaxed = X.copy()
            extrapolate(X, self._relaxed[i], momentum)
            self._relaxed[i] = relaxed
        return value

    def objective(self) -> float:
        """The objective, at the factors that the last iteration began with if they are better."""
        value = self._objective()
        if value <= self._value:
            return value
        self._put_back()
        return self._value

    def _put_back(self) -> None:
        for X, start in zip(self._factors, self._start, strict=True):
            X[:] = start
