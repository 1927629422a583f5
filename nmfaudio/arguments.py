"""Check arguments that are numbers."""

import math
import os
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

from .errors import NmfaudioError

HIGHEST_RATE = 1_000_000
"""Highest sampling rate in Hz that sound comes in."""


def check_rate(sr: Any) -> None:
    """Refuse what cannot be a sampling rate.

    Raises
    ------
    NmfaudioError
        If it is no number above 0, and up to a million.
    """
    check_number("sampling rate", sr, 0, HIGHEST_RATE, unit=" Hz")
    if sr == 0:
        raise NmfaudioError("sampling rate 0: give samples a second")


def check_count(name: str, value: Any) -> None:
    """Refuse what is not a whole number from 1 up.

    Raises
    ------
    NmfaudioError
    """
    if not (isinstance(value, Integral) and int(value) >= 1):
        raise NmfaudioError(f"{name} {value!r}: give a whole number from 1 up")


def check_iterable(name: str, values: Any) -> None:
    """Refuse what is not several things one after the other.

    Raises
    ------
    NmfaudioError
    """
    if not isinstance(values, Iterable):
        raise NmfaudioError(f"{name} {values!r}: give several, as a list")


def check_path(path: Any) -> None:
    """Refuse what cannot be the name of a file.

    Raises
    ------
    NmfaudioError
    """
    if not (isinstance(path, (str, os.PathLike)) or hasattr(path, "open")) or "\0" in str(path):
        raise NmfaudioError(f"{path!r}: give the name of a file, as a string or a path")


def check_part(start_s: Any, stop_s: Any) -> None:
    """Refuse times that are no numbers of seconds; None stands for an end of the recording.

    Raises
    ------
    NmfaudioError
    """
    for name, value in (("start_s", start_s), ("stop_s", stop_s)):
        if value is not None:
            check_number(name, value)


def check_ranges(name: str, ranges: Any) -> None:
    """Refuse what is not a sequence of pairs of seconds, each from a time to a later one.

    Raises
    ------
    NmfaudioError
    """
    try:
        right = all(0 <= float(start_s) < float(stop_s) < math.inf for start_s, stop_s in ranges)
    except (TypeError, ValueError):
        right = False
    if not right:
        raise NmfaudioError(f"{name} {ranges!r}: give pairs (start_s, stop_s) of seconds, as [(1.5, 1.52)]")


def check_number(name: str, value: Any, low: float = -math.inf, high: float = math.inf, unit: str = "") -> None:
    """Refuse what is not a number from `low` to `high`.

    Raises
    ------
    NmfaudioError

    Examples
    --------
    >>> check_number("strength", 0.5, 0, 10)
    """
    if not isinstance(value, Real):
        raise NmfaudioError(f"{name} {value!r}: give a number, not {type(value).__name__}")
    if not (low <= float(value) <= high and math.isfinite(value)):
        raise NmfaudioError(f"{name} {value:g}: give a number from {low:g} to {high:g}{unit}")
