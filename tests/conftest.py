"""Set before JAX starts: four devices on one CPU, and quick compilation where bits and speed are not the point."""

import atexit
import gc
import os
import shutil
import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

_FLAGS = [
    "--xla_force_host_platform_device_count=4",
    "--xla_backend_optimization_level=0",
    "--xla_cpu_parallel_codegen_split_count=1",
]
if metadata.version("jaxlib") < "0.11":  # later ones do not know it, and end the process
    _FLAGS.append("--xla_cpu_use_fusion_emitters=false")
os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *_FLAGS])
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Tracing makes many objects and few cycles: looked through as often as by default, they take some percent of the time.
gc.set_threshold(100_000, 50, 100)
if "PYTEST_XDIST_WORKER" not in os.environ:
    # What one test has compiled, the next one and its processes need not; nothing is left in anybody's home folder.
    cache = tempfile.mkdtemp(prefix="aae_jax_tests_")
    atexit.register(shutil.rmtree, cache, ignore_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = cache
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"


@pytest.fixture(scope="session")
def few_digits(tmp_path_factory):
    """The path of a file of digits, a thousand of them for training."""
    # Here, where flags of XLA are set before it is imported.
    from aae_jax import data

    train, path = data.load("mnist5k").train, tmp_path_factory.mktemp("few") / "digits.npz"
    np.savez(path, images=train.image[:1500], labels=train.label[:1500])
    return path


@pytest.fixture(scope="session")
def mnist_files():
    """The folder with MNIST's four original files, where there is one."""
    folder = os.environ.get("AAE_JAX_DATA")
    if not folder:
        pytest.skip(reason="AAE_JAX_DATA does not name a folder with the four original files of MNIST")
    return Path(folder)
