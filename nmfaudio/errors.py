"""Errors that name what is wrong and what would help."""

from collections.abc import Iterable
from difflib import SequenceMatcher


class NmfaudioError(ValueError):
    """A value, file or option that cannot be used; the message is one line for the user."""


class AudioError(NmfaudioError):
    """A sound file or signal that cannot be used."""


class DictionaryError(NmfaudioError):
    """A dictionary that is missing, broken, foreign or newer than this version."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Ask whether one of the known names was meant, if one is like this one.

    Examples
    --------
    >>> suggestion("denose", ["denoise", "train"])
    ': did you mean denoise?'
    """

    def likeness(other: str) -> float:
        a, b = (word.lstrip("-").lower() for word in (name, other))
        return SequenceMatcher(None, a, b).ratio() + (sorted(a) == sorted(b))  # the same letters in another order

    best = max(known, key=likeness, default="")
    return f": did you mean {best}?" if likeness(best) >= 0.75 else ""
