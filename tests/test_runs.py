"""Run folders: written whole or not at all, and compared before they are continued."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from aae_jax import runs


@dataclasses.dataclass(frozen=True)
class Config:
    rate: float
    sizes: tuple[int, ...] = (3, 4)


def test_json_comes_back(tmp_path):
    runs.write_json(tmp_path / "sub" / "a.json", {"config": Config(0.5), "number": np.float32(0.25)})
    assert runs.read_json(tmp_path / "sub" / "a.json") == {"config": {"rate": 0.5, "sizes": [3, 4]}, "number": 0.25}


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(tmp_path):
    runs.write_json(tmp_path / "a.json", 1)
    for bad in (object(), float("nan")):
        with pytest.raises((TypeError, ValueError)):
            runs.write_json(tmp_path / "a.json", bad)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert runs.read_json(tmp_path / "a.json") == 1


def test_missing_and_broken_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no a\.json in"):
        runs.read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text('{"cut": ')
    with pytest.raises(ValueError, match=r"a\.json is not valid JSON"):
        runs.read_json(tmp_path / "a.json")


def test_lines_are_added_and_cut_back(tmp_path):
    path = tmp_path / "metrics.jsonl"
    runs.cut_lines(path, 0)
    for epoch in (1, 2, 3):
        runs.add_line(path, {"epoch": epoch})
    runs.cut_lines(path, 2)
    assert [json.loads(line)["epoch"] for line in path.read_text().splitlines()] == [1, 2]
    runs.cut_lines(path, 5)
    assert len(path.read_text().splitlines()) == 2


def test_a_half_written_last_line_is_cut_off(tmp_path):
    path = tmp_path / "metrics.jsonl"
    runs.add_line(path, {"epoch": 1})
    with path.open("a") as file:
        file.write('{"epoch": 2, "lo')
    runs.cut_lines(path, 1)
    runs.add_line(path, {"epoch": 2})
    assert [json.loads(line)["epoch"] for line in path.read_text().splitlines()] == [1, 2]


def test_a_run_is_continued_by_the_same_config_only(tmp_path):
    path = tmp_path / "config.json"
    runs.check_config(path, Config(0.5), resume=True)
    runs.check_config(path, Config(0.5), resume=True)
    with pytest.raises(ValueError, match="holds a run: resume it"):
        runs.check_config(path, Config(0.5), resume=False)
    with pytest.raises(ValueError, match=r"rate was 0.5, is 0.25; sizes was \[3, 4\], is \[3\]"):
        runs.check_config(path, Config(0.25, (3,)), resume=True)


@pytest.mark.parametrize("value", [0, 0.0, False, None, "", []])
def test_a_run_of_code_without_an_option_goes_on_where_that_is_off(tmp_path, value):
    path = tmp_path / "config.json"
    runs.check_config(path, {"model": {"rate": 0}}, resume=True)
    runs.check_config(path, {"model": {"rate": 0, "delay": value}}, resume=True)
    with pytest.raises(ValueError, match=r"model.delay was None, is 5"):
        runs.check_config(path, {"model": {"rate": 0, "delay": 5}}, resume=True)
    # What both have is compared as it is.
    with pytest.raises(ValueError, match=r"model.rate was 0, is None"):
        runs.check_config(path, {"model": {"rate": None}}, resume=True)


def test_a_lock_dies_with_its_process(tmp_path):
    script = f"""
import os, pathlib
from aae_jax import runs
with runs.lock(pathlib.Path({str(tmp_path)!r})):
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    with runs.lock(tmp_path), pytest.raises(ValueError, match="Another process"), runs.lock(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"folder .*file/run cannot be written"), runs.lock(tmp_path / "file" / "run"):
        pass


def test_environment_and_provenance_can_be_written(tmp_path):
    runs.write_json(tmp_path / "a.json", {**runs.environment(), **runs.provenance()})
    found = runs.read_json(tmp_path / "a.json")
    assert found["jax"] and found["cores"] >= 1 and "command" in found


def test_a_module_that_git_does_not_know_is_code_that_is_not_committed(tmp_path, monkeypatch):
    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", "-C", tmp_path, *who, *words], check=True, capture_output=True)

    (tmp_path / "aae_jax" / "models").mkdir(parents=True)
    (tmp_path / "aae_jax" / "runs.py").touch()
    git("init")
    git("add", ".")
    git("commit", "-m", "one")
    monkeypatch.setattr(runs, "__file__", str(tmp_path / "aae_jax" / "runs.py"))
    (tmp_path / "of_the_user.py").touch()
    assert runs.provenance()["dirty"] is False
    (tmp_path / "aae_jax" / "models" / "new.py").touch()
    assert runs.provenance()["dirty"] is True
    monkeypatch.setattr(runs, "__file__", "/nowhere/aae_jax/runs.py")
    assert runs.provenance()["dirty"] is None
