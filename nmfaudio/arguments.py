"""Check arguments: their types by the annotations of public functions, and their values."""

import inspect
import math
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache, wraps
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ParamSpec, TypeVar, Union, get_args, get_origin

import numpy as np

from .errors import NmfaudioError, OutOfMemoryError
from .suggestions import suggestion

HIGHEST_RATE = 1_000_000
"""Highest sampling rate in Hz that sound comes in."""

_LOWEST_RATE = 1  # below that there is no sound, and resampling to others would make endless signals
_MOST = 10**9  # of anything that is counted
_SHOWN = 60  # characters of a value
_WORDS = {
    NoneType: "None",
    bool: "True or False",
    int: "an integer",
    float: "a finite number",
    str: "a string",
    os.PathLike: "a path",
    Path: "a path",
    Callable: "a function",
    np.ndarray: "an array",
}

P = ParamSpec("P")
R = TypeVar("R")


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Let a public function refuse arguments that are not of the types of its annotations.

    Numbers must be finite, unless the default is not. What an iterable yields, and the shapes of arrays, are left to
    the function.

    Raises
    ------
    NmfaudioError
        When the function is called with an argument of another type, or needs more memory than there is.

    Examples
    --------
    >>> @checked
    ... def halved(level: float) -> float:
    ...     return level / 2
    >>> halved("loud")
    Traceback (most recent call last):
    nmfaudio.errors.NmfaudioError: level must be a finite number, not 'loud'
    """
    signature = inspect.signature(function)

    @cache
    def types() -> dict[str, Any]:
        return {
            name: _resolved(parameter.annotation, function)
            for name, parameter in signature.parameters.items()
            if parameter.annotation is not parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        }

    @wraps(function)
    def checking(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:  # Python's own message names the function
            return function(*args, **kwargs)
        for name, wanted in types().items():
            if name in given and given[name] is not signature.parameters[name].default:
                value = given[name]
                if not _fits(value, wanted) or (isinstance(value, Real) and not is_finite(value)):
                    raise NmfaudioError(f"{name} must be {_words(wanted)}, not {shown(value)}")
        try:
            return function(*args, **kwargs)
        except OutOfMemoryError:
            raise
        except MemoryError as error:  # NumPy's names the array
            detail = f" ({error})" if str(error) else ""
            raise OutOfMemoryError(
                f"not enough memory{detail}: give less sound at a time, or smaller numbers"
            ) from error

    return checking


def check_rate(sr: Any) -> None:
    """Refuse what cannot be a sampling rate.

    Raises
    ------
    NmfaudioError
        If it is no number from 1 to a million.
    """
    check_number("sampling rate", sr, _LOWEST_RATE, HIGHEST_RATE, unit=" Hz")


def check_count(name: str, value: Any, low: int = 1) -> None:
    """Refuse what is not a whole number from `low` to a billion.

    Raises
    ------
    NmfaudioError
    """
    if not (_is_integer(value) and low <= int(value) <= _MOST):
        kind = "a positive integer" if low == 1 else f"an integer of at least {low}"
        raise NmfaudioError(f"{name} must be {kind}, not {shown(value)}")


def check_seed(random_state: Any) -> None:
    """Refuse what cannot be the seed of a generator of random numbers.

    Raises
    ------
    NmfaudioError
    """
    if not (_is_integer(random_state) and int(random_state) >= 0):
        raise NmfaudioError(f"random_state must be an integer of at least 0, not {shown(random_state)}")


def check_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    """Refuse what is not one of the choices.

    Raises
    ------
    NmfaudioError
    """
    choices = list(choices)
    if not (isinstance(value, str) and value in choices):
        meant = suggestion(value, choices) if isinstance(value, str) else ""
        raise NmfaudioError(f"{name} must be one of {', '.join(map(repr, choices))}, not {shown(value)}{meant}")


def check_path(path: Any) -> None:
    """Refuse what cannot be the name of a file.

    Raises
    ------
    NmfaudioError
    """
    if not (isinstance(path, (str, os.PathLike)) or hasattr(path, "open")) or "\0" in str(path):
        raise NmfaudioError(f"{shown(path)}: give the name of a file, as a string or a path")


def check_ranges(name: str, ranges: Any) -> None:
    """Refuse what is not a sequence of pairs of seconds, each from a time to a later one.

    Raises
    ------
    NmfaudioError
    """
    try:
        right = all(0 <= float(start_s) < float(stop_s) < math.inf for start_s, stop_s in ranges)
    except (OverflowError, TypeError, ValueError):
        right = False
    if not right:
        raise NmfaudioError(f"{name} {shown(ranges)}: give pairs (start_s, stop_s) of seconds, as [(1.5, 1.52)]")


def check_part(start_s: float | None, stop_s: float | None) -> None:
    """Refuse a part of a recording that ends before it begins; None stands for the beginning and the end.

    Raises
    ------
    NmfaudioError
    """
    begin_s = start_s or 0.0
    if stop_s is not None and stop_s <= begin_s:
        raise NmfaudioError(
            f"--start {begin_s:g} s is not before --end {stop_s:g} s (in Python start_s and stop_s): give an earlier "
            "start or a later end"
        )


def check_number(name: str, value: Any, low: float = -math.inf, high: float = math.inf, unit: str = "") -> None:
    """Refuse what is not a number from `low` to `high`.

    Raises
    ------
    NmfaudioError

    Examples
    --------
    >>> check_number("strength", 0.5, 0, 10)
    """
    if not (is_finite(value) and low <= value <= high):
        span = f" from {low:g} to {high:g}" if high < math.inf else f" of at least {low:g}" if low > -math.inf else ""
        raise NmfaudioError(f"{name} must be a finite number{span}{unit}, not {shown(value)}")


def is_finite(value: Any) -> bool:
    """Tell whether a value is a finite real number."""
    try:
        return isinstance(value, Real) and math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def _is_integer(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)  # True is an integer for Python


def shown(value: Any) -> str:
    """Return a value as a message shows it: in one line, and not all of a long one."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"{value.dtype} of shape {value.shape}"
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _resolved(annotation: Any, function: Callable[..., Any]) -> Any:
    if isinstance(annotation, str):
        try:
            return eval(annotation, inspect.unwrap(function).__globals__)
        except NameError:  # imported for type checkers alone
            return Any
    return annotation


def _fits(value: Any, wanted: Any) -> bool:
    """Tell whether a value is of a type; true for types that are not known here."""
    kind, parts = get_origin(wanted) or wanted, get_args(wanted)
    if wanted is Any:
        return True
    if kind in (Union, UnionType):
        if _is_array_like(parts):
            return (value is None and NoneType in parts) or _is_numbers(value)
        return any(_fits(value, part) for part in parts)
    if wanted is None or kind is NoneType:
        return value is None
    if kind is bool:
        return isinstance(value, (bool, np.bool_))
    if kind is int:
        return _is_integer(value)
    if kind is float:
        return isinstance(value, Real) and value == value  # infinity may end a range
    if kind is np.ndarray:
        scalar = get_args(parts[1])[0] if parts else np.generic
        return isinstance(value, np.ndarray) and np.issubdtype(value.dtype, scalar)
    if kind is tuple:
        n = None if parts[1:] == (...,) else len(parts)
        sized = isinstance(value, (tuple, list)) and n in (None, len(value))
        return sized and all(map(_fits, value, parts if n else parts[:1] * len(value)))
    if kind in (list, Sequence, Collection) and not isinstance(value, str | bytes):
        ranges = get_origin(parts[0]) is Sequence  # of times and frequencies: see nmfaudio.spectra.regions
        return isinstance(value, (kind, np.ndarray)) and (ranges or all(_fits(each, parts[0]) for each in value))
    if kind in (dict, Mapping):
        return isinstance(value, kind) and all(
            _fits(name, parts[0]) and _fits(each, parts[1]) for name, each in value.items()
        )
    if kind in (os.PathLike, Path):
        return isinstance(value, os.PathLike) or hasattr(value, "open")
    if getattr(kind, "_is_protocol", False):
        return all(hasattr(value, name) for name in vars(kind) if name[0] != "_")
    if isinstance(kind, type):
        return isinstance(value, kind) and not (kind is not str and isinstance(value, str | bytes))
    return True


def _words(wanted: Any) -> str:
    kind, parts = get_origin(wanted) or wanted, get_args(wanted)
    if kind in (Union, UnionType):
        if _is_array_like(parts):
            return "an array of real numbers"
        return " or ".join(dict.fromkeys(_words(part) for part in parts if part is not NoneType))
    if kind is tuple:
        return f"({', '.join(_words(part) for part in parts if part is not ...)})"
    if kind in (dict, Mapping):
        return f"a mapping of {_words(parts[0])} to {_words(parts[1])}"
    if kind in (list, Sequence, Collection):
        return f"a list of which each is {_words(parts[0])}"
    if kind is Iterable:
        return "iterable, as a list"
    return _WORDS.get(kind) or f"a {kind.__name__}"


def _is_array_like(parts: tuple[Any, ...]) -> bool:
    modules = ("numpy._typing._array_like", "numpy._typing._nested_sequence")  # and not those of dtypes
    return any(getattr(part, "__module__", "").startswith(modules) for part in parts)


def _is_numbers(value: Any) -> bool:
    try:
        return np.asarray(value).dtype.kind in "biuf"
    except (OverflowError, TypeError, ValueError):
        return False
