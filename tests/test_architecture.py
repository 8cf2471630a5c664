"""The rooms and the arrows between them: who may import whom."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "aae_jax"

ARROWS = {
    "types": set(),
    "checks": set(),
    "keys": {"checks"},
    "losses": {"checks"},
    "priors": {"types", "checks", "losses"},
    "heads": {"types", "checks", "losses"},
    "likelihoods": {"types", "checks", "losses"},
    "corruption": {"types", "checks"},
    "networks": {"types", "checks"},
    "phases": {"types", "checks", "losses", "keys"},
    "wiring": {"types", "checks", "keys"},
    "games": {"types", "checks", "keys", "corruption", "wiring"},
    "models": {"types", "checks", "keys", "losses", "heads", "phases", "wiring", "games"},
    "adapters": {"types", "checks"},
    "certificates": {"types", "checks", "losses"},
    "steps": {"types", "checks", "keys"},
    "parallel": {"types", "checks"},
    "evaluation": {"checks"},
    "neighbors": {"checks", "evaluation"},
    "data": {"checks"},
    "checkpoints": {"types", "checks", "hosts", "runs"},
    "runs": {"checks"},
    "interrupts": set(),
    "hosts": {"types"},
    "progress": {"hosts"},
    "epoch": {"types", "checks", "keys", "data", "parallel"},
    "feeds": {"epoch", "data"},
    "terms": {"checks", "epoch", "feeds", "parallel", "runs"},
    "loop": {
        *("types", "checks", "keys", "epoch", "feeds", "terms", "parallel", "checkpoints", "runs", "interrupts"),
        *("hosts", "progress"),
    },
    "configs": {
        *("types", "checks", "losses", "priors", "heads", "likelihoods", "corruption", "networks", "models"),
        *("adapters", "checkpoints", "runs"),
    },
}
"""Room: the rooms that it may import from. Any other arrow is a mistake, or a change of the architecture."""

ONLY_IN = {
    "flax": {"networks"},
    "orbax": {"checkpoints", "hosts"},
    "tensorflow_datasets": {"data"},
    "grain": {"data"},
    "tqdm": {"progress"},
    "matplotlib": set(),
    "tyro": set(),
    "experiments": set(),
    "benchmarks": set(),
    "torch": set(),
    "pythae": set(),
}
"""Borrowed library: the rooms that know of it."""


def imports_of(path):
    """The modules that a file imports anywhere in it, functions included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def rooms():
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room != "__init__":
            yield room, path


@pytest.mark.parametrize(("room", "path"), list(rooms()), ids=str)
def test_arrows(room, path):
    assert room in ARROWS, "a new room: say here what it may import"
    for name in imports_of(path):
        package, _, rest = name.partition(".")
        if package == "aae_jax":
            other = rest.split(".")[0]
            assert other == room or other in ARROWS[room], f"{path.name} imports {name}"
        assert room in ONLY_IN.get(package, {room}), f"{path.name} imports {package}"


def test_every_arrow_is_used():
    used = {room: set() for room in ARROWS}
    for room, path in rooms():
        used[room] |= {name.split(".")[1] for name in imports_of(path) if name.startswith("aae_jax.")} - {room}
    assert used == ARROWS


def test_peers_stay_with_the_benchmarks():
    knowing = {
        path.relative_to(PACKAGE.parent).as_posix()
        for folder in ("experiments", "benchmarks")
        for path in (PACKAGE.parent / folder).rglob("*.py")
        if {name.split(".")[0] for name in imports_of(path)} & {"torch", "pythae"}
    }
    assert knowing == {"benchmarks/torch_peer.py", "benchmarks/pythae_peer.py"}


def test_experiments_do_not_know_of_benchmarks():
    for path in (PACKAGE.parent / "experiments").rglob("*.py"):
        assert not any(name.startswith("benchmarks") for name in imports_of(path)), path.name
