import nmfaudio.nmf.sparse_nmf as _sparse_nmf

from .convex import ConvexNMF, SemiNMF
from .convolutive import ConvolutiveNMF
from .exact import rank_factorization, symmetric_rank_factorization
from .hoyer import SparsenessNMF, sparseness
from .joint import JointNMF
from .nmf import NMF
from .online import OnlineNMF
from .orthogonal import OrthogonalNMF
from .parafac import PARAFAC
from .penalties import GroupSparseNMF, SmoothNMF, SparseNMF
from .rank import HeldOutErrors, cross_validated_rank
from .separable import SeparableNMF
from .sequential import SequentialNMF
from .symmetric import SymmetricNMF
from .weighted import WeightedNMF

Factorization = _sparse_nmf.Factorization
sparse_nmf = _sparse_nmf.sparse_nmf

__all__ = [
    "ConvexNMF",
    "ConvolutiveNMF",
    "Factorization",
    "GroupSparseNMF",
    "HeldOutErrors",
    "JointNMF",
    "NMF",
    "OnlineNMF",
    "OrthogonalNMF",
    "PARAFAC",
    "SemiNMF",
    "SeparableNMF",
    "SequentialNMF",
    "SmoothNMF",
    "SparseNMF",
    "SparsenessNMF",
    "SymmetricNMF",
    "WeightedNMF",
    "cross_validated_rank",
    "rank_factorization",
    "sparse_nmf",
    "sparseness",
    "symmetric_rank_factorization",
]
