import numba
import pytest
from hypothesis import HealthCheck, settings

# Machines differ in speed, and kernels compile in their first call.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


OF_KERNELS = ("test_unfolded",)  # what would stand in there is what is tested


def stand_in_for(loops):
    with pytest.MonkeyPatch.context() as patch:
        for name, stand_in in loops.items() if numba.config.DISABLE_JIT else ():
            patch.setattr(name, stand_in)
        yield


@pytest.fixture(scope="module", autouse=True)
def quick_denoising(request):
    """Let all but the tests of kernels denoise at speed where nothing is compiled."""
    from vectorised import RUN_TIME

    yield from stand_in_for({} if request.path.stem in OF_KERNELS else RUN_TIME)


@pytest.fixture(scope="module")
def quick_loops():
    """Let a module explain whole spectrograms where nothing is compiled."""
    from vectorised import STAND_INS

    yield from stand_in_for(STAND_INS)
