from .components import Components
from .hpss import harmonic_percussive
from .multichannel import multichannel_wiener
from .separator import Separator

__all__ = ["Components", "Separator", "harmonic_percussive", "multichannel_wiener"]
