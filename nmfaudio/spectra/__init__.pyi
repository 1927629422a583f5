from . import phase, stft

__all__ = ["phase", "stft"]
