"""Repair of damaged recordings: lost or clipped samples, holes in the spectrogram, a lost band."""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "restore_samples": "samples",
    "fill_regions": "regions",
    "extend_band": "band",
    "find_clicks": "damage",
    "find_clipped": "damage",
    "find_dropouts": "damage",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
