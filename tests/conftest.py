import numba
import pytest
from hypothesis import HealthCheck, settings

# Machines differ in speed, and kernels compile in their first call.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


@pytest.fixture(scope="module")
def quick_loops():
    """Let a module explain whole spectrograms where nothing is compiled."""
    from vectorised import STAND_INS

    with pytest.MonkeyPatch.context() as patch:
        for name, stand_in in STAND_INS.items() if numba.config.DISABLE_JIT else ():
            patch.setattr(name, stand_in)
        yield
