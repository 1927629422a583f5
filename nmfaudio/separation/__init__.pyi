from .components import Components
from .files import SeparationReport, separate, separate_file
from .hpss import harmonic_percussive
from .multichannel import multichannel_wiener
from .separator import Separator
from .songs.drums import DrumSeparator
from .songs.separator import SongSeparator

__all__ = [
    "Components",
    "DrumSeparator",
    "SeparationReport",
    "Separator",
    "SongSeparator",
    "harmonic_percussive",
    "multichannel_wiener",
    "separate",
    "separate_file",
]
