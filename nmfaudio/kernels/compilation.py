"""Tell when kernels are compiled."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from numba.core import event
from numba.core.caching import NullCache


class _Listener(event.Listener):
    def __init__(self, begun: Callable[[bool], object], ended: Callable[[], object]) -> None:
        self._begun, self._ended = begun, ended

    def on_start(self, event: Any) -> None:
        self._begun(not isinstance(event.data["dispatcher"]._cache, NullCache))

    def on_end(self, event: Any) -> None:
        self._ended()


@contextmanager
def watched(begun: Callable[[bool], object], ended: Callable[[], object]) -> Iterator[None]:
    """Call functions around the compilation of each kernel; one that is found on disk is not compiled.

    A kernel that calls others compiles them meanwhile, so that calls may be nested.

    Parameters
    ----------
    begun : callable
        Called before, with False if the machine code can be kept nowhere.
    ended : callable
        Called after.

    Examples
    --------
    >>> from nmfaudio.kernels.compilation import watched
    >>> def count(work):
    ...     kernels = []
    ...     with watched(kernels.append, lambda: None):
    ...         work()
    ...     return len(kernels)
    """
    with event.install_listener("numba:compile", _Listener(begun, ended)):
        yield
