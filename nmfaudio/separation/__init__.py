"""Separation of mixtures into sources; see docs/separation.md for which of these to take."""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Separator": "separator",
    "Components": "components",
    "harmonic_percussive": "hpss",
    "multichannel_wiener": "multichannel",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
