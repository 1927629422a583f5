"""Factorisations of any non-negative matrix."""

from .sparse import Factorization, sparse_nmf

__all__ = ["Factorization", "sparse_nmf"]
