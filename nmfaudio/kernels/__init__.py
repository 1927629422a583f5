"""Numerical kernels: pure functions on arrays, and the only place with Numba decorators."""
