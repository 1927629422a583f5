"""The one place for Numba's options."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS: dict[str, Any] = {
    # Everything of fastmath but "nnan" and "ninf": kernels may rely on NaN and infinity.
    "fastmath": {"nsz", "arcp", "contract", "afn", "reassoc"},
    "error_model": "numpy",
    "nogil": True,
}


def jit(function: F) -> F:
    """Compile a kernel on its first call, and keep the machine code on disk where a folder for it can be written."""
    try:
        return numba.njit(cache=True, **OPTIONS)(function)
    except RuntimeError:  # read-only install without a home: "no locator available"
        return numba.njit(**OPTIONS)(function)
