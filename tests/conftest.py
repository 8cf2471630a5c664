"""Set before JAX starts: four devices on one CPU, and quick compilation where bits and speed are not the point."""

import os
from pathlib import Path

import pytest

os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Nothing is left in the home folder of whoever runs the tests.
os.environ.setdefault("JAX_ENABLE_COMPILATION_CACHE", "false")


@pytest.fixture(scope="session")
def mnist_files():
    """The folder with MNIST's four original files, where there is one."""
    folder = os.environ.get("AAE_JAX_DATA")
    if not folder:
        pytest.skip(reason="AAE_JAX_DATA does not name a folder with the four original files of MNIST")
    return Path(folder)
