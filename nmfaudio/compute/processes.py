"""Map over items here, in processes of this machine, or on the machines of a cluster (Dask).

All three are one thing, a function like the built-in `map`: results come in the order of the items. Work that depends
on its item alone, and sums that are taken in the order of the results, come out the same on any number of workers.
"""

import atexit
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import current_process, get_context
from typing import Any

from ..arguments import check_count, checked
from ..errors import NmfaudioError

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""Like the built-in `map` with one iterable."""

_ATTEMPTS = 3  # of work whose process died
_PATIENCE_S = 10.0  # until a scheduler must have answered, or a worker must have cleaned up
_LOOK_EVERY_S = 1.0  # whether the parent is still there
_MESSAGE_S = 0.5  # until a result that is being sent has arrived: half of one would block the parent
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@checked
@contextmanager
def workers(
    jobs: int = 1,
    scheduler: str | None = None,
    *,
    n_threads: int = 1,
    lost: Callable[[Any, NmfaudioError], Any] | None = None,
) -> Iterator[Map]:
    """Open workers, and give a function that maps others over items; it may be called many times.

    What a lost worker had to do is done again by another. Processes of this machine do nothing twice that came to an
    end; a cluster may, where the worker that held the result is lost. Workers end with this process, however it ends.

    Parameters
    ----------
    jobs : int
        Processes on this machine; 1 works in this process. As always with processes, a script that asks for more must
        do so below ``if __name__ == "__main__":``.
    scheduler : str, optional
        Address of a Dask scheduler, as ``tcp://host:8786``, whose workers do the work instead. They need the same
        nmfaudio, and to see the files under the same names.
    n_threads : int
        Threads of each process, for matrix products and kernels, unless environment variables such as OMP_NUM_THREADS
        say otherwise. Results of training are the same on any number of workers with one thread each.
    lost : callable, optional
        Called with an item whose work kills one worker after the other, and with the error; returns what stands for its
        result. Without it the error is raised.

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
    check_count("jobs", jobs)
    check_count("n_threads", n_threads)
    if scheduler is not None:
        with _cluster(scheduler, lost or _refuse) as each:
            yield each
    elif jobs == 1:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(n_threads, "blas"):
            yield map
    else:
        with _processes(jobs, n_threads, lost or _refuse) as each:
            yield each


def isolated(function: Callable[[Any], Any], item: Any) -> Any:
    """Call a function in another process, of whose crash this one does not die.

    The process stays for further calls, and ends with this one. As always with processes, a script must call this below
    ``if __name__ == "__main__":``. Daemonic processes, which can have none, call the function themselves.

    Parameters
    ----------
    function : callable
        Takes one argument; both can be pickled.
    item
        The argument.

    Returns
    -------
    object
        The result. Errors of the function are raised here.

    Raises
    ------
    ChildProcessError
        If the process died.

    Examples
    --------
    >>> isolated(abs, -1)
    1
    """
    if current_process().daemon:
        return function(item)
    with _isolating:
        if not _isolated:
            _isolated.append(_executor(1, 1))
            atexit.register(_isolated[0].shutdown)
        executor = _isolated[0]
    try:
        return executor.submit(_work, function, item).result()
    except BrokenProcessPool:
        with _isolating:
            if executor in _isolated:  # no other thread was here before
                _isolated.remove(executor)
                _stop(executor)
        raise ChildProcessError(f"the process of {function} died") from None


_isolated: list[ProcessPoolExecutor] = []  # at most one
_isolating = threading.Lock()


@contextmanager
def _processes(jobs: int, n_threads: int, lost: Callable[[Any, NmfaudioError], Any]) -> Iterator[Map]:
    executors: list[ProcessPoolExecutor] = []  # at most one

    def each(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        items = list(items)
        known: dict[int, Any] = {}  # results whose turn has not come
        turn = attempts = 0
        while turn < len(items):
            if not executors:
                executors.append(_executor(jobs, n_threads))
            began, futures = turn, dict[int, Future[Any]]()
            try:
                while turn < len(items):
                    ahead = 2 * jobs if attempts == 0 else 1  # alone, so that it is known whose work kills
                    for n in range(turn, min(turn + ahead, len(items))):
                        if n not in known and n not in futures:
                            futures[n] = executors[0].submit(_work, function, items[n])
                    if turn in futures:
                        known[turn] = futures[turn].result()
                        del futures[turn]
                    attempts, turn = 0, turn + 1
                    yield known.pop(turn - 1)
            except BrokenProcessPool:
                known |= {n: future.result() for n, future in futures.items() if _is_done(future)}
                _stop(executors.pop())
                attempts = 1 if turn > began else attempts + 1
                if attempts == _ATTEMPTS:
                    text = "worker processes die again and again, perhaps for want of memory: try fewer --jobs"
                    known[turn], attempts = lost(items[turn], NmfaudioError(text)), 0

    try:
        yield each
    finally:
        for executor in executors:
            _stop(executor)


def _refuse(_: Any, error: NmfaudioError) -> Any:
    raise error from None


def _is_done(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _executor(jobs: int, n_threads: int) -> ProcessPoolExecutor:
    with ExitStack() as stack:
        if hasattr(signal, "pthread_sigmask"):  # the process that tracks semaphores takes this over, and outlives us
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
            stack.callback(signal.pthread_sigmask, signal.SIG_SETMASK, before)
        return ProcessPoolExecutor(jobs, get_context("spawn"), _begin_worker, (os.getpid(), n_threads))


def _stop(executor: ProcessPoolExecutor) -> None:
    """End the processes of a pool: first let them remove what they have begun."""
    processes = list((executor._processes or {}).values())
    for process in processes:
        process.terminate()
    until = time.monotonic() + _PATIENCE_S
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
        process.kill()
    executor.shutdown()


class _Stopped(BaseException):
    """Raised in a worker by SIGTERM, so that it cleans up."""


_at_work = _ending = False  # in a worker: whether it has an item, and whether it must not begin another


def _begin_worker(parent: int, n_threads: int) -> None:
    for name in ("SIGINT", "SIGHUP"):  # these reach the whole group; the parent decides
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop_worker)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    if os.name == "posix":
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    for name in _THREAD_VARIABLES:  # of libraries that are loaded from now on
        os.environ.setdefault(name, str(n_threads))
    from threadpoolctl import threadpool_limits

    threadpool_limits(int(os.environ[_THREAD_VARIABLES[0]]))  # of those that the main script has loaded


def _watch(parent: int) -> None:
    """End with the parent, however it ends."""
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_PATIENCE_S)
    os._exit(1)  # the main thread is deep in compiled code


def _stop_worker(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: cleaning up must not be interrupted
    if _at_work:
        raise _Stopped
    global _ending
    _ending = True
    end = threading.Timer(_MESSAGE_S, os._exit, (1,))
    end.daemon = True
    end.start()


def _work(function: Callable[[Any], Any], item: Any) -> Any:
    global _at_work
    try:
        _at_work = True
        if _ending:  # since the item was on its way
            raise _Stopped
        return function(item)
    except _Stopped:
        os._exit(1)  # whatever was begun has been removed
    finally:
        _at_work = False


@contextmanager
def _cluster(scheduler: str, lost: Callable[[Any, NmfaudioError], Any]) -> Iterator[Map]:
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
            items = list(items)
            futures = client.map(function, items, pure=False)
            try:
                for item, future in zip(items, futures, strict=True):
                    try:
                        result = future.result()
                    except distributed.KilledWorker:
                        text = f"{scheduler}: its workers die again and again, perhaps for want of memory"
                        result = lost(item, NmfaudioError(text))
                    yield result
                    future.release()
            finally:
                client.cancel(futures)

        yield each
