"""Names that may have been meant by a wrong one."""

from collections.abc import Iterable
from difflib import SequenceMatcher


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
