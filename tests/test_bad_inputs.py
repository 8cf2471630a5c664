"""Bad inputs, everywhere: each is answered before work starts, by a message of ours, and leaves no file behind."""

import collections
import importlib
import inspect
import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from bad_inputs import arrays, commands, pieces

ROOT = Path(__file__).resolve().parent.parent
OURS = [str(ROOT / "aae_jax"), str(ROOT / "experiments")]
CASES = [*pieces.CASES, *arrays.CASES, *commands.CASES]


def tree(folder):
    """Every file and folder below a folder, with its bytes."""
    return {path.relative_to(folder): path.is_file() and path.read_bytes() for path in folder.rglob("*")}


@pytest.mark.parametrize("case", CASES, ids=[f"{case.entry}: {case.rule}" for case in CASES])
def test_a_bad_input_is_answered(case, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    case.given(tmp_path)
    before = tree(tmp_path)
    capfd.readouterr()
    with pytest.raises(case.error) as caught:
        case.call(tmp_path)
    message = str(caught.value)
    if case.error is SystemExit:
        assert caught.value.code == 2
        message = capfd.readouterr().err
        assert message.startswith("error: ") or message.startswith("╭─"), message
    else:
        assert type(caught.value) is case.error
        # A message of ours is raised by a line of ours.
        assert traceback.extract_tb(caught.tb)[-1].filename.startswith(tuple(OURS)), message
    if not message.startswith("╭─"):
        assert message.strip().count("\n") == 0 and len(message) < 1000, message
    assert [word for word in case.words if word not in message] == [], message
    after = tree(tmp_path)
    assert {path: content for path, content in after.items() if path.name not in case.leaves} == before


def test_there_are_three_hundred_and_none_stands_twice():
    found = collections.Counter((case.entry, case.rule) for case in CASES)
    assert [pair for pair, count in found.items() if count > 1] == []
    # Nor does a rule stand under two names: what its message has to hold is another for each of an entry point.
    words = collections.Counter((case.entry, case.words) for case in CASES)
    assert [pair for pair, count in words.items() if count > 1] == []
    assert len(found) >= 300, len(found)
    assert all(len(case.words) >= 2 for case in CASES)


TAKES_WHAT_COMES = {
    # No argument, or none that can be wrong.
    *("corruption.identity", "networks.he", "runs.environment", "runs.provenance"),
    # Elementwise functions of any scores.
    *("losses.minimax_generator_loss", "losses.non_saturating_generator_loss"),
    # Given by `fit` alone, after its checks.
    *("terms.begin", "progress.progress", "parallel.compiled", "parallel.first_row", "parallel.over_seeds"),
    *("parallel.here", "parallel.own_rows", "parallel.placed", "checkpoints.best_params", "checkpoints.digests"),
    *("runs.machine", "hosts.agreed", "hosts.ending_together", "hosts.from_first", "hosts.is_first"),
    *("hosts.own_folder", "hosts.wait"),
}
MODULES = (
    *("priors", "losses", "heads", "likelihoods", "corruption", "keys", "networks", "phases", "wiring", "games"),
    *("models", "steps", "adapters", "certificates", "parallel", "evaluation", "data", "configs", "runs", "loop"),
    *("terms", "checkpoints", "hosts", "progress"),
)


def test_every_public_function_is_given_something_bad():
    public = set()
    for name in MODULES:
        module = importlib.import_module(f"aae_jax.{name}")
        public |= {f"{name}.{one}" for one in module.__all__ if inspect.isfunction(getattr(module, one))}
    asked = {case.entry.split("(")[0] for case in CASES}
    asked |= {entry.rsplit(".", 1)[0] for entry in asked}
    assert public - asked == TAKES_WHAT_COMES


def test_every_command_is_given_something_bad():
    commands = {path.stem for path in (ROOT / "experiments").glob("*.py") if "command_line.run(" in path.read_text()}
    assert {f"python -m experiments.{name}" for name in commands - {"command_line"}} <= {case.entry for case in CASES}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["clustering", "--cluster", "9"], "error: There is no option --cluster. Did you mean 'clusters'?"),
        (["semi_supervised", "--out", "file/run"], "error: out is 'file/run'; expected a folder, and "),
    ],
)
def test_a_process_ends_with_one_line(tmp_path, words, message):
    (tmp_path / "file").write_text("")
    command = [sys.executable, "-m", f"experiments.{words[0]}", *words[1:]]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 2 and done.stderr.startswith(message) and done.stderr.count("\n") == 1, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
