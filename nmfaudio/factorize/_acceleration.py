"""Fewer iterations to the same objective: updates that go further, and never uphill."""

from collections.abc import Callable, Sequence

import numpy as np

_RELAXATION = 0.5  # measured on spectrograms: with 0.3 to 0.6 a target is reached after about the same iterations


class Accelerated:
    """Iterations of multiplicative updates that go further than each update would, as long as the objective falls.

    Every factor's change is made larger by the power 1.5 (over-relaxation), and after all of them Nesterov's momentum
    is added in the same way: a factor X becomes ``X (X / Y)^a``, Y being the factor of the iteration before and
    ``a = (k - 1) / (k + 2)`` in the k-th iteration since the start. Should the objective rise, the iteration is done
    again without either, and the momentum starts anew, so that the updates' own promise holds. Compare L. Hien,
    V. Leplat, N. Gillis, "Block majorization minimization with extrapolation and application to beta-NMF", 2024.

    Parameters
    ----------
    factors : sequence of ndarray
        Changed in place.
    updates : sequence of callable
        Update of each factor, in place.
    objective : callable
        Objective at the present factors, which no update raises.

    Attributes
    ----------
    value : float
        Objective at the present factors.
    """

    def __init__(
        self,
        factors: Sequence[np.ndarray],
        updates: Sequence[Callable[[], None]],
        objective: Callable[[], float],
    ) -> None:
        self._factors, self._updates, self._objective = factors, updates, objective
        self._before = [X.copy() for X in factors]
        self._relaxed = [X.copy() for X in factors]
        self._count = 0
        self.value = objective()

    def step(self) -> None:
        """One iteration."""
        from ..kernels.extrapolation import extrapolate

        self._count += 1
        for X, before, update in zip(self._factors, self._before, self._updates, strict=True):
            before[:] = X
            update()
            extrapolate(X, before, _RELAXATION)
        momentum = (self._count - 1) / (self._count + 2)
        for i, X in enumerate(self._factors):
            relaxed = X.copy()
            extrapolate(X, self._relaxed[i], momentum)
            self._relaxed[i] = relaxed
        value = self._objective()
        if not value <= self.value:
            self._count = 0
            for X, before in zip(self._factors, self._before, strict=True):
                X[:] = before
            self._objective()  # an update may use what was computed for it
            for update in self._updates:
                update()
            value = self._objective()
        self.value = value
