from hypothesis import HealthCheck, settings

# Machines differ in speed, and kernels compile in their first call.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")
