from . import (
    audio,
    dictionary,
    display,
    errors,
    evaluation,
    factorize,
    metrics,
    repair,
    report,
    separation,
    spectra,
    training,
)
from .denoising.denoiser import Denoiser, denoise
from .denoising.files import FileReport, denoise_file
from .denoising.noise_profile import noise_profile
from .denoising.streaming import StreamingDenoiser
from .dictionary import Dictionary
from .errors import NmfaudioError
from .repair.files import repair_file
from .separation.files import separate, separate_file
from .spectra.front_end import FrontEnd
from .spectra.stft import STFT

__version__: str

__all__ = [
    "STFT",
    "Denoiser",
    "Dictionary",
    "FileReport",
    "FrontEnd",
    "NmfaudioError",
    "StreamingDenoiser",
    "audio",
    "denoise",
    "denoise_file",
    "dictionary",
    "display",
    "errors",
    "evaluation",
    "factorize",
    "metrics",
    "noise_profile",
    "repair",
    "repair_file",
    "report",
    "separate",
    "separate_file",
    "separation",
    "spectra",
    "training",
]
