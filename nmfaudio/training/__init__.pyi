from . import adapt, checkpoint, comparison, data, session, songs, source, sparse, tune, unfolded
from .session import Trained, adapt_denoiser, train_denoiser, train_source

__all__ = [
    "Trained",
    "adapt",
    "adapt_denoiser",
    "checkpoint",
    "comparison",
    "data",
    "session",
    "songs",
    "source",
    "sparse",
    "train_denoiser",
    "train_source",
    "tune",
    "unfolded",
]
