"""Pages to hear and see what a denoiser does to a recording."""

from .files import report_file
from .page import page, seconds_shown

__all__ = ["page", "report_file", "seconds_shown"]
