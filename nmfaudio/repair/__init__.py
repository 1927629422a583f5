"""Repair of damaged recordings: lost or clipped samples, holes in the spectrogram, a lost band."""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "restore_samples": "lost_samples",
    "fill_regions": "spectral_holes",
    "extend_band": "bandwidth",
    "find_clicks": "detection",
    "find_clipped": "detection",
    "find_dropouts": "detection",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
