"""Where work is done: here, in processes of this machine (joblib), or on the machines of a cluster (Dask).

All three are one thing, a function like the built-in `map`: results come in the order of the items. Work that depends
on its item alone, and sums that are taken in the order of the results, come out the same on any number of workers.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from typing import Any

from ..errors import NmfaudioError

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""Like the built-in `map` with one iterable."""

_ATTEMPTS = 3  # of work whose process died
_PATIENCE_S = 10.0  # until a scheduler must have answered


@contextmanager
def workers(jobs: int = 1, scheduler: str | None = None) -> Iterator[Map]:
    """Open workers; what is given maps functions over items and may be called many times.

    Matrix products are done by one thread in each worker. What a lost worker had to do is done again by another.

    Parameters
    ----------
    jobs : int
        Processes on this machine; 1 works in this process.
    scheduler : str, optional
        Address of a Dask scheduler, as ``tcp://host:8786``, whose workers do the work instead. They need the same
        nmfaudio, and to see the files under the same names.

    Yields
    ------
    Map

    Raises
    ------
    NmfaudioError
        If Dask is missing, the scheduler does not answer, or workers are lost again and again.

    Examples
    --------
    >>> with workers() as each:
    ...     print(list(each(abs, [-1, 2, -3])))
    [1, 2, 3]
    """
    if scheduler is not None:
        with _cluster(scheduler) as each:
            yield each
    elif jobs == 1:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, "blas"):
            yield map
    else:
        with _processes(jobs) as each:
            yield each


@contextmanager
def _processes(jobs: int) -> Iterator[Map]:
    import joblib
    from joblib.externals.loky import get_reusable_executor

    def each(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        left = list(items)
        attempts = 0
        while left:
            work = (joblib.delayed(function)(item) for item in left)
            parallel = joblib.Parallel(jobs, return_as="generator", batch_size=1, max_nbytes=None)
            done = 0
            try:
                with joblib.parallel_config("loky", inner_max_num_threads=1):
                    results = parallel(work)
                for result in results:
                    done += 1
                    yield result
            except BrokenProcessPool:
                attempts = 0 if done else attempts + 1
                if attempts == _ATTEMPTS:
                    raise NmfaudioError(
                        "worker processes die again and again, perhaps for want of memory: try fewer --jobs"
                    ) from None
            left = left[done:]

    try:
        yield each
    finally:
        get_reusable_executor().shutdown(wait=True, kill_workers=True)


@contextmanager
def _cluster(scheduler: str) -> Iterator[Map]:
    try:
        import distributed
    except ImportError:
        raise NmfaudioError("a scheduler needs Dask: pip install 'nmfaudio[cluster]'") from None
    with ExitStack() as stack:
        try:
            client = stack.enter_context(distributed.Client(scheduler, timeout=_PATIENCE_S, set_as_default=False))
        except (OSError, ValueError) as error:
            raise NmfaudioError(f"{scheduler}: no Dask scheduler answers there ({error})") from None

        def each(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
            futures = client.map(function, list(items), pure=False)
            try:
                for future in futures:
                    try:
                        yield future.result()
                    except distributed.KilledWorker:
                        raise NmfaudioError(
                            f"{scheduler}: its workers die again and again, perhaps for want of memory"
                        ) from None
                    future.release()
            finally:
                client.cancel(futures)

        yield each
