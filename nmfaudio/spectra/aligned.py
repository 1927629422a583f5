"""Blocks of samples of several kinds, kept in step."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from ..errors import NmfaudioError


class Kept:
    """Blocks on their way, of which what has passed can be taken again, in other lengths.

    Parameters
    ----------
    blocks : iterable of ndarray, shape (..., samples)
    """

    def __init__(self, blocks: Iterable[np.ndarray]) -> None:
        self._blocks = iter(blocks)
        self._passed: list[np.ndarray] = []

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the blocks."""
        for block in self._blocks:
            self._passed.append(block)
            yield block

    def again(self) -> Iterator[np.ndarray]:
        """Yield the blocks that have passed."""
        while self._passed:
            yield self._passed.pop(0)

    def take(self, n: int) -> np.ndarray:
        """Return the next n samples: of what has passed, and then of what has not."""
        parts: list[np.ndarray] = []
        while n:
            block = self._passed.pop(0) if self._passed else next(self._blocks)
            parts.append(block[..., :n])
            if block.shape[-1] > n:
                self._passed.insert(0, block[..., n:])
            n -= parts[-1].shape[-1]
        return np.concatenate(parts, axis=-1)


def joined(pieces: Iterable[Mapping[str, np.ndarray]], y: np.ndarray) -> dict[str, np.ndarray]:
    """Join signals that come in blocks, each of shape (channels, samples), into signals of the shape and dtype of y."""
    if not y.size:
        raise NmfaudioError("the signal has no samples: there is nothing to separate")
    first, *others = pieces
    return {
        name: np.concatenate([block, *(piece[name] for piece in others)], axis=1).reshape(y.shape).astype(y.dtype)
        for name, block in first.items()
    }
