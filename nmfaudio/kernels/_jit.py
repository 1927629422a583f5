"""The one place for Numba's options."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba.core.caching import FunctionCache
from numba.core.runtime import rtsys

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS: dict[str, Any] = {
    # Everything of fastmath but "nnan" and "ninf": kernels may rely on NaN and infinity.
    "fastmath": {"nsz", "arcp", "contract", "afn", "reassoc"},
    "error_model": "numpy",
    "nogil": True,
}


class _Cache(FunctionCache):
    """Machine code on disk.

    Numba sets up its whole compiler and SciPy's linear algebra before it looks into its cache, which takes longer than
    to clean ten seconds of sound. Machine code needs its run time alone; a compilation sets up the rest itself.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Load the machine code for a signature, if there is any."""
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


def jit(function: F) -> F:
    """Compile a kernel on its first call, and keep the machine code on disk where a folder for it can be written."""
    try:
        kernel = numba.njit(cache=True, **OPTIONS)(function)
        kernel._cache = _Cache(function)
    except RuntimeError:  # read-only install without a home: "no locator available"
        kernel = numba.njit(**OPTIONS)(function)
    return kernel
