from .components import Components
from .files import SeparationReport, separate, separate_file
from .hpss import harmonic_percussive
from .multichannel import multichannel_wiener
from .separator import Separator

__all__ = [
    "Components",
    "SeparationReport",
    "Separator",
    "harmonic_percussive",
    "multichannel_wiener",
    "separate",
    "separate_file",
]
