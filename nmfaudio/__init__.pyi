from . import audio, dictionary, display, errors, factorize, metrics, repair, report, separation, spectra, training
from .denoising.denoiser import Denoiser, denoise
from .denoising.noise_profile import noise_profile
from .denoising.streaming import StreamingDenoiser
from .dictionary import Dictionary
from .errors import NmfaudioError
from .spectra.front_end import FrontEnd
from .spectra.stft import STFT

__version__: str

__all__ = [
    "STFT",
    "Denoiser",
    "Dictionary",
    "FrontEnd",
    "NmfaudioError",
    "StreamingDenoiser",
    "audio",
    "denoise",
    "dictionary",
    "display",
    "errors",
    "factorize",
    "metrics",
    "noise_profile",
    "repair",
    "report",
    "separation",
    "spectra",
    "training",
]
