import numba
import pytest
from hypothesis import HealthCheck, settings

# Machines differ in speed, and kernels compile in their first call.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


def pytest_runtest_setup(item):
    if numba.config.DISABLE_JIT and item.get_closest_marker("needs_jit"):
        pytest.skip("kernels are not compiled")
