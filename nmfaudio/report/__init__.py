"""A page to hear and see what a denoiser does to a recording."""

from .page import page, seconds_shown

__all__ = ["page", "seconds_shown"]
