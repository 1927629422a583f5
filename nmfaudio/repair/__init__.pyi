from .bandwidth import extend_band
from .detection import find_clicks, find_clipped, find_dropouts
from .files import RepairReport, repair_file
from .lost_samples import restore_samples
from .spectral_holes import fill_regions

__all__ = [
    "RepairReport",
    "extend_band",
    "fill_regions",
    "find_clicks",
    "find_clipped",
    "find_dropouts",
    "repair_file",
    "restore_samples",
]
