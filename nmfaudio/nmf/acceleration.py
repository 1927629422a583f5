"""Fewer or cheaper iterations to the same objective: updates that may lead uphill, and are taken back if they do."""

from collections.abc import Callable, Sequence

import numpy as np

from ..kernels.nmf.extrapolation import extrapolate

RELAXATION = 0.5  # measured on spectrograms: with 0.3 to 0.6 a target is reached after about the same iterations


class Guarded:
    """Iterations that are taken back, and done again in a safe way, should the objective be found higher after them.

    Parameters
    ----------
    factors : sequence of ndarray
        Changed in place.
    iterate : callable
        One update of each factor, in place; returns the objective before it. Called with True for the iteration that
        may lead uphill, with False for one that does not.
    objective : callable
        Objective at the present factors.
    """

    def __init__(
        self, factors: Sequence[np.ndarray], iterate: Callable[[bool], float], objective: Callable[[], float]
    ) -> None:
        self._factors, self._iterate, self._objective = factors, iterate, objective
        self._start, self._spare = ([X.copy() for X in factors] for _ in range(2))
        self._value = np.inf  # at the start of the last iteration

    def step(self) -> float:
        """One iteration; the objective before it."""
        _copy(self._factors, self._spare)
        value = self._iterate(True)
        if not value <= self._value:  # what the last iteration came to is no better than where it began
            self._put_back()
            return self._iterate(False)
        self._start, self._spare, self._value = self._spare, self._start, value
        self._go_further()
        return value

    def objective(self) -> float:
        """The objective, at the factors that the last iteration began with if they are better."""
        value = self._objective()
        if value <= self._value:
            return value
        self._put_back()
        return self._value

    def _put_back(self) -> None:
        _copy(self._start, self._factors)

    def _go_further(self) -> None:
        """Do the part of an iteration that may lead uphill."""


class Accelerated(Guarded):
    """Iterations with Nesterov's momentum, of updates that go further than each would alone.

    A factor X becomes ``X (X / Y)^a`` after them all, Y being the factor of the iteration before and
    ``a = (k - 1) / (k + 2)`` in the k-th iteration since the start. When an iteration is taken back, the momentum
    starts anew. The updates of `iterate`, where they may lead uphill, are to make each factor's change larger by the
    power ``1 + RELAXATION``. Compare L. Hien, V. Leplat, N. Gillis, "Block majorization minimization with extrapolation
    and application to beta-NMF", 2024.

    Parameters
    ----------
    factors, iterate, objective
        As for :class:`Guarded`.
    """

    def __init__(
        self, factors: Sequence[np.ndarray], iterate: Callable[[bool], float], objective: Callable[[], float]
    ) -> None:
        super().__init__(factors, iterate, objective)
        self._before = [X.copy() for X in factors]
        self._count = 0

    def _put_back(self) -> None:
        super()._put_back()
        self._count = 0

    def _go_further(self) -> None:
        self._count += 1
        momentum = (self._count - 1) / (self._count + 2)
        for X, Y in zip(self._factors, self._before, strict=True):
            self._extrapolate(X, Y, momentum)

    def _extrapolate(self, X: np.ndarray, Y: np.ndarray, momentum: float) -> None:
        """Move X on from Y, and let Y be what X was, both in place."""
        extrapolate(X, Y, momentum)


class Extrapolated(Accelerated):
    """The same for updates that are sums, and that reach zero and leave it: X becomes ``max(X + a (X - Y), 0)``.

    Compare A. Ang, N. Gillis, "Accelerating nonnegative matrix factorization algorithms using extrapolation", 2019.

    Parameters
    ----------
    factors, iterate, objective
        As for :class:`Guarded`.
    """

    def _extrapolate(self, X: np.ndarray, Y: np.ndarray, momentum: float) -> None:
        step = X - Y
        Y[:] = X
        X += X.dtype.type(momentum) * step
        np.maximum(X, 0, out=X)


def _copy(sources: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> None:
    for X, Y in zip(sources, targets, strict=True):
        Y[:] = X
