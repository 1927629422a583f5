"""Work on several cores at once, in threads: kernels and matrix products let go of the interpreter."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Lock
from typing import TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

_LEAST_VALUES = 2**18  # worth a thread of their own
_IN_USE = Lock()  # BLAS has one limit for all: two that set it and put it back in turns would leave it low for good

Item = TypeVar("Item")
Result = TypeVar("Result")


@cache
def _controller() -> ThreadpoolController:
    """Controller of the BLAS library, which is looked for once."""
    return ThreadpoolController()


def n_cores() -> int:
    """Number of threads that BLAS may use: all cores, unless OPENBLAS_NUM_THREADS, threadpoolctl and so on say less."""
    return max((info["num_threads"] for info in _controller().info() if info["user_api"] == "blas"), default=1)


def in_parallel(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Results of a function of each item, all at once; matrix products inside have one core each.

    While another caller has the cores, the items are done one after the other.
    """
    if len(items) == 1 or not _IN_USE.acquire(blocking=False):
        return [function(item) for item in items]
    try:
        with _controller().limit(limits=1, user_api="blas"), ThreadPoolExecutor(len(items)) as pool:
            return list(pool.map(function, items))
    finally:
        _IN_USE.release()


def parts(n: int, size: int) -> list[slice]:
    """Equal parts of n rows or columns, as many as there are cores and work for: an array of `size` values."""
    n_parts = max(1, min(n_cores(), n, size // _LEAST_VALUES))
    edges = np.linspace(0, n, n_parts + 1).astype(int)
    return [slice(*pair) for pair in zip(edges[:-1], edges[1:], strict=True)]


def by_rows(function: Callable[..., Result], *arrays: np.ndarray | None) -> list[Result]:
    """Results of a function of the arrays' rows, part by part.

    All arrays have as many rows as the first one, or are None.
    """
    first = arrays[0]
    assert first is not None
    return in_parallel(
        lambda part: function(*(None if a is None else a[part] for a in arrays)), parts(len(first), first.size)
    )
