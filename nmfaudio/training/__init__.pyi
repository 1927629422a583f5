from . import adapt, checkpoint, comparison, data, source, sparse, tune, unfolded

__all__ = ["adapt", "checkpoint", "comparison", "data", "source", "sparse", "tune", "unfolded"]
