"""Batches of training frames, drawn from many mixtures at once."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

T = TypeVar("T")
_AHEAD = 8  # items computed before they are asked for
_THREADS = 2  # that compute them


@dataclass(frozen=True)
class Example:
    """Training frames, as rows.

    Attributes
    ----------
    stack, tracked : ndarray, shape (T, D), (T, J, F + B)
        Input, see :meth:`nmfaudio.unfolded.context.StackContext.stack_rows`.
    mixture, target : ndarray, shape (T, S, F)
        Compressed magnitudes of the mixture, and those of each source that the masked mixture should have; see
        :meth:`nmfaudio.training.unfolded.loss.Objective.spectra`.
    n_high : ndarray, shape (T,)
        Number of bands above the bins that the mixture of each frame has.
    """

    stack: np.ndarray
    tracked: np.ndarray
    mixture: np.ndarray
    target: np.ndarray
    n_high: np.ndarray

    @classmethod
    def joined(cls, examples: Sequence["Example"]) -> "Example":
        """Join the frames of some examples."""
        return cls(
            **{name: np.concatenate([vars(example)[name] for example in examples]) for name in vars(examples[0])}
        )


def stream(make: Callable[[int], T], first: int, executor: Executor) -> Iterator[T]:
    """Make one item after the other from its number, some ahead of time."""
    ahead: deque[Future[T]] = deque()
    number = first
    while True:
        while len(ahead) < _AHEAD:
            ahead.append(executor.submit(make, number))
            number += 1
        yield ahead.popleft().result()


class Pool:
    """Frames of the latest mixtures, from which batches are drawn, so that the frames of a batch are independent.

    At step `k` it holds the mixtures ``n`` to ``n + n_items - 1`` with ``n = int(k * n_new)``, each computed from its
    number alone: training that resumes at step `k` gets the batches that it would have got without the break.

    Parameters
    ----------
    example : callable
        Makes the training example of a mixture's number.
    n_items : int
        Mixtures held at once.
    n_new : float
        Mixtures renewed after each batch, on average.
    step : int
        Number of the first batch.
    """

    def __init__(self, example: Callable[[int], Example], n_items: int, n_new: float, step: int = 0) -> None:
        self._n_items, self._n_new, self._step = n_items, n_new, step
        first = int(step * n_new)
        self._executor = ThreadPoolExecutor(_THREADS)
        self._examples = stream(example, first, self._executor)
        self._slot = first % n_items
        self._frames: dict[str, np.ndarray] = {}
        for _ in range(n_items):
            self._replace()

    def _replace(self) -> None:
        example = next(self._examples)
        n = len(example.stack)
        for name, new in vars(example).items():
            if name not in self._frames:
                self._frames[name] = np.empty((self._n_items * n, *new.shape[1:]), np.float32)
            self._frames[name][self._slot * n : (self._slot + 1) * n] = new
        self._slot = (self._slot + 1) % self._n_items

    def batch(self, rng: np.random.Generator, n_frames: int) -> Example:
        """Draw random frames, then replace the oldest mixtures by new ones."""
        rows = np.sort(rng.integers(0, len(self._frames["stack"]), n_frames))
        batch = Example(**{name: frames[rows] for name, frames in self._frames.items()})
        self._step += 1
        for _ in range(int(self._step * self._n_new) - int((self._step - 1) * self._n_new)):
            self._replace()
        return batch

    def close(self) -> None:
        """Stop computing mixtures."""
        self._executor.shutdown(wait=False, cancel_futures=True)
