"""Set before JAX starts: four devices on one CPU, and quick compilation where bits and speed are not the point."""

import os

os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Nothing is left in the home folder of whoever runs the tests.
os.environ.setdefault("JAX_ENABLE_COMPILATION_CACHE", "false")
