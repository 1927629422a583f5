"""Factorisations of any non-negative matrix; estimators follow scikit-learn and load it on first use."""

from importlib import import_module
from typing import Any

from ..nmf.sparse_nmf import Factorization, sparse_nmf

_ESTIMATORS = {
    "NMF": "nmf",
    "SparseNMF": "penalties",
    "GroupSparseNMF": "penalties",
    "SmoothNMF": "penalties",
    "SparsenessNMF": "hoyer",
    "sparseness": "hoyer",
    "OnlineNMF": "online",
    "WeightedNMF": "weighted",
    "HeldOutErrors": "rank",
    "cross_validated_rank": "rank",
    "SequentialNMF": "sequential",
    "OrthogonalNMF": "orthogonal",
    "SemiNMF": "convex",
    "ConvexNMF": "convex",
    "SymmetricNMF": "symmetric",
    "SeparableNMF": "separable",
    "rank_factorization": "exact",
    "symmetric_rank_factorization": "exact",
    "PARAFAC": "parafac",
    "JointNMF": "joint",
    "ConvolutiveNMF": "convolutive",
}

__all__ = ["Factorization", "sparse_nmf", *_ESTIMATORS]


def __getattr__(name: str) -> Any:
    if name in _ESTIMATORS:
        return getattr(import_module(f".{_ESTIMATORS[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
