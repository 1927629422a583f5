"""The one place for Numba's options."""

import hashlib
import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.runtime import rtsys

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS: dict[str, Any] = {
    # Everything of fastmath but "nnan" and "ninf": kernels may rely on NaN and infinity.
    "fastmath": {"nsz", "arcp", "contract", "afn", "reassoc"},
    "error_model": "numpy",
    "nogil": True,
}

_DIGEST_SIZE = 32


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_SIZE).digest()


class _Files(IndexDataCacheFile):
    """Files of machine code; one that is damaged or cannot be read is as good as none, and is written anew."""

    def _load_index(self) -> dict[Any, str]:
        try:
            return dict(super()._load_index())
        except Exception:  # of unpickling anything
            return {}

    def _save_data(self, name: str, data: Any) -> None:
        content = self._dump(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(_digest(content) + content)

    def _load_data(self, name: str) -> Any:
        content = Path(self._data_path(name)).read_bytes()
        digest, content = content[:_DIGEST_SIZE], content[_DIGEST_SIZE:]
        if digest != _digest(content):  # damaged machine code may do anything
            raise OSError(f"{name}: damaged")
        return pickle.loads(content)


class _Cache(FunctionCache):
    """Machine code on disk. No error of it breaks a run: the kernel is then compiled.

    Numba sets up its whole compiler and SciPy's linear algebra before it looks into its cache, which takes longer than
    to clean ten seconds of sound. Machine code needs its run time alone; a compilation sets up the rest itself.
    """

    def __init__(self, py_func: Callable[..., Any]) -> None:
        super().__init__(py_func)
        self._cache_file = _Files(self._cache_path, self._impl.filename_base, self._impl.locator.get_source_stamp())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Load the machine code for a signature, if there is any."""
        rtsys.initialize(target_context)
        try:
            return self._load_overload(sig, target_context)
        except Exception:
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Save the machine code for a signature, if the disk takes it."""
        with suppress(OSError):
            self._save_overload(sig, data)


def jit(function: F) -> F:
    """Compile a kernel on its first call, and keep the machine code on disk where a folder for it can be written."""
    kernel = numba.njit(**OPTIONS)(function)
    with suppress(RuntimeError, OSError):  # read-only install without a home: "no locator available"
        kernel._cache = _Cache(function)
    return kernel
