"""Check arguments that are numbers."""

import math
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


def check_blocks(blocks: Any) -> None:
    """Refuse what cannot be blocks of a signal one after the other.

    Raises
    ------
    NmfaudioError
    """
    if not isinstance(blocks, Iterable):
        raise NmfaudioError(f"blocks {blocks!r}: give arrays one after the other, as a list or a generator")


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
