import signal

import numba
import pytest
from hypothesis import HealthCheck, settings

from nmfaudio.metrics import MEASURES

# Machines differ in speed, and kernels compile in their first call.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


# A job that a script runs in the background ignores SIGINT, one under nohup SIGHUP, and so would the commands that are
# tested: a process that is started has the default again where this one has a function.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)


def pytest_runtest_setup(item):
    if numba.config.DISABLE_JIT and item.get_closest_marker("needs_jit"):
        pytest.skip("kernels are not compiled")


@pytest.fixture
def without_pesq():
    """Leave out the measure that takes the longest."""
    measures = dict(MEASURES)
    del MEASURES["PESQ"]
    yield
    MEASURES.clear()  # the order is that of the columns of tables
    MEASURES.update(measures)
