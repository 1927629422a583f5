"""Sound files in and out, block by block, in the format that they came in; arrays of any type to float."""

from .formats import FORMATS_OF_SUFFIX, SUFFIXES, AudioInfo
from .listing import list_files
from .reading import blocks, info, locate, read
from .signal import as_signal, resample, to_float
from .writing import Writer, open_like

__all__ = [
    "FORMATS_OF_SUFFIX",
    "SUFFIXES",
    "AudioInfo",
    "Writer",
    "as_signal",
    "blocks",
    "info",
    "list_files",
    "locate",
    "open_like",
    "read",
    "resample",
    "to_float",
]
