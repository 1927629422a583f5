"""Factorisations of any non-negative matrix; estimators follow scikit-learn, which is imported when they are used."""

import lazy_loader

from ..nmf.sparse_nmf import Factorization, sparse_nmf

__getattr__, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["Factorization", "sparse_nmf"]


def __dir__() -> list[str]:
    return __all__
