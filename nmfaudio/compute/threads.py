"""Work on several cores at once, in threads: kernels and matrix products let go of the interpreter."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache, reduce
from math import prod
from operator import iadd
from threading import Lock, local
from typing import TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

_LEAST_VALUES = 2**18  # worth a thread of their own
_MOST_VALUES = 2**19  # of a block that is still in the cache at the next look at it
_IN_USE = Lock()  # BLAS has one limit for all: two that set it and put it back in turns would leave it low for good

Item = TypeVar("Item")
Result = TypeVar("Result")


@cache
def _controller() -> ThreadpoolController:
    """Controller of the BLAS library, which is looked for once."""
    return ThreadpoolController()


@cache
def _threads(n: int) -> ThreadPoolExecutor:
    """Threads that are kept, since to start them takes as long as a small product."""
    return ThreadPoolExecutor(n, "nmfaudio")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # a forked process has none of them


class Workspace(local):
    """Arrays that each thread has to itself and writes again and again: new ones would cost it new pages of memory."""

    def __init__(self) -> None:
        self._kept: dict[str, np.ndarray] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Room for an array, whose values are arbitrary."""
        size = prod(shape)
        kept = self._kept.get(name)
        if kept is None or kept.size < size or kept.dtype != dtype:
            kept = self._kept[name] = np.empty(size, dtype)
        return kept[:size].reshape(shape)


def n_cores() -> int:
    """Number of threads that BLAS may use: all cores, unless OPENBLAS_NUM_THREADS, threadpoolctl and so on say less."""
    return max((info["num_threads"] for info in _controller().info() if info["user_api"] == "blas"), default=1)


def in_parallel(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Results of a function of each item, as many at once as there are cores; matrix products inside have one each.

    While another caller has the cores, the items are done one after the other.
    """
    n = min(n_cores(), len(items)) if len(items) > 1 else 1
    if n == 1 or not _IN_USE.acquire(blocking=False):
        return [function(item) for item in items]
    try:
        with _controller().limit(limits=1, user_api="blas"):
            futures = [_threads(n).submit(function, item) for item in items]
            wait(futures)  # one that fails must not leave the others to run on
            return [future.result() for future in futures]
    finally:
        _IN_USE.release()


def ahead(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Results of a function of each item, in order; on several cores one is computed while that before it is used.

    Items are taken in the caller's thread.
    """
    if n_cores() == 1:
        yield from map(function, items)
        return
    thread, running = ThreadPoolExecutor(1, "nmfaudio-ahead"), None
    try:
        for item in items:
            begun = thread.submit(function, item)
            if running is not None:
                yield running.result()
            running = begun
        if running is not None:
            yield running.result()
    finally:
        thread.shutdown(cancel_futures=True)  # should the caller want no more


def parts(n: int, size: int) -> list[slice]:
    """Equal parts of n rows or columns of an array of `size` values, enough for all cores and small enough for a cache.

    Inside of work in parallel there is one part.
    """
    if _IN_USE.locked():
        return [slice(0, n)]
    n_parts = max(1, min(n_cores(), size // _LEAST_VALUES))
    n_parts *= -(-size // (n_parts * _MOST_VALUES))
    edges = np.linspace(0, n, max(1, min(n, n_parts)) + 1).astype(int)
    return [slice(*pair) for pair in zip(edges[:-1], edges[1:], strict=True)]


def shares(n: int, size: int) -> list[list[slice]]:
    """The parts of `parts`, shared out to the cores."""
    found, cores = parts(n, size), n_cores()
    return [found[core::cores] for core in range(min(cores, len(found)))]


def sum_over(function: Callable[[Item], tuple], shared: Sequence[Sequence[Item]]) -> tuple:
    """Sums of the members of the tuples that a function returns, of all items of all shares.

    Each core adds up what its share gives at once, so that there are few arrays at any time.
    """
    return _sums(in_parallel(lambda share: _sums(map(function, share)), shared))


def _sums(terms: Iterable[tuple]) -> tuple:
    return reduce(lambda total, term: tuple(map(iadd, total, term)), terms)


def by_rows(function: Callable[..., Result], *arrays: np.ndarray | None) -> list[Result]:
    """Results of a function of the arrays' rows, part by part.

    All arrays have as many rows as the first one, or are None.
    """
    first = arrays[0]
    assert first is not None
    return in_parallel(
        lambda part: function(*(None if a is None else a[part] for a in arrays)), parts(len(first), first.size)
    )
