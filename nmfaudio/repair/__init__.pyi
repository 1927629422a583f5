from .bandwidth import extend_band
from .detection import find_clicks, find_clipped, find_dropouts
from .lost_samples import restore_samples
from .spectral_holes import fill_regions

__all__ = ["extend_band", "fill_regions", "find_clicks", "find_clipped", "find_dropouts", "restore_samples"]
