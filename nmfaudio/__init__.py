"""Clean noisy speech and take sound mixtures apart with sparse non-negative matrix factorisation."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Denoiser": "denoising.denoiser",
    "denoise": "denoising.denoiser",
    "noise_profile": "denoising.noise_profile",
    "Dictionary": "dictionary",
    "FrontEnd": "spectra.front_end",
    "STFT": "spectra.stft",
    "StreamingDenoiser": "denoising.streaming",
    "NmfaudioError": "errors",
}

_MODULES = ("audio", "display", "metrics")

__all__ = [*_PUBLIC, *_MODULES, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
