"""How settings are chosen: runs beside each other, compared by what they have logged of validation images."""

import json
from typing import get_args, get_type_hints

import numpy as np
import pytest

from aae_jax import data, runs
from experiments import command_line, reports, search


def test_values_are_compared_by_the_last_error_on_validation_images(tmp_path, monkeypatch):
    monkeypatch.setattr(search, "SEARCHES", tmp_path / "searches")
    digits = data.load("mnist5k").train
    np.savez(tmp_path / "few.npz", images=digits.image[:400], labels=digits.label[:400])
    # Of seeds the second one is not compiled again.
    own = f"--preset smoke --dataset {tmp_path}/few.npz --width 8 --epochs 2 --devices 1"
    own += " --smoothness-radius 0"
    words = ["--option", "seed", "--values", "3", "4", f"--arguments={own}", "--out", str(tmp_path / "run")]
    found = command_line.run(search.main, search.PRESETS, arguments=words)
    for value, errors in found["errors"].items():
        lines = runs.read_lines(tmp_path / "run" / value / "seed_0" / "clustering_aae" / "metrics.jsonl")
        assert [line["epoch"] for line in lines] == [1, 2]
        assert errors == {"clustering_aae": [lines[-1]["validation/error"]]}
        # Pictures name a seed by its own number, not by that of its folder.
        assert list(reports.seed_logs(tmp_path / "run" / value)["clustering_aae"]) == [f"seed {value}"]
        config = json.loads((tmp_path / "run" / value / "final.json").read_text())["config"]
        assert (config["seed"], config["width"]) == (int(value), 8)
    assert found["errors"]["3"] != found["errors"]["4"]
    assert json.loads((tmp_path / "run" / "search.json").read_text()) == found
    assert (tmp_path / "run" / "errors.png").read_bytes().startswith(b"\x89PNG")


def test_the_lowest_mean_is_bold():
    errors = {"1": {"a": [0.1, 0.2], "b": [0.5, 0.5]}, "2": {"a": [0.05, 0.26], "b": [0.4, 0.5]}}
    assert search.table({"option": "rate", "errors": errors}) == [
        "| rate | a | b |",
        "|---|---|---|",
        "| 1 | **15 ± 7.1 %** | 50 ± 0 % |",
        "| 2 | 15.5 ± 15 % | **45 ± 7.1 %** |",
    ]


def test_a_value_that_diverges_is_said_so_and_the_others_are_compared(tmp_path, capsys):
    digits = data.load("mnist5k").train
    np.savez(tmp_path / "few.npz", images=digits.image[:400], labels=digits.label[:400])
    own = f"--preset smoke --dataset {tmp_path}/few.npz --width 8 --epochs 1 --devices 1 --smoothness-radius 0"
    words = ["--option", "reconstruction-rate", f"--arguments={own}", "--out", str(tmp_path / "run")]
    found = command_line.run(search.main, search.PRESETS, arguments=[*words, "--values", "1e20", "0.01"])
    assert found["errors"]["1e20"] == {} and len(found["errors"]["0.01"]["clustering_aae"]) == 1
    out = capsys.readouterr().out
    assert "| 1e20 | diverged |" in out and "diverged: The loss of the phase 'discriminator'" in out
    words[-1] = str(tmp_path / "none")
    with pytest.raises(SystemExit, match="2"):
        command_line.run(search.main, search.PRESETS, arguments=[*words, "--values", "1e20"])
    assert "All of 1e20 have diverged" in capsys.readouterr().err


def test_a_seed_that_has_diverged_is_not_averaged_in():
    lines = {"a": {"seed 0": [{search.METRIC: 0.9}, {search.METRIC: 0.3}], "seed 1": [{search.METRIC: None}]}}
    errors = {"1": search.last_errors(lines), "2": {"a": [0.4, 0.4]}}
    assert errors["1"] == {"a": [0.3, None]}
    assert search.table({"option": "rate", "errors": errors})[2:] == [
        "| 1 | **30 %, and 1 diverged** |",
        "| 2 | 40 ± 0 % |",
    ]
    with pytest.raises(ValueError, match="expected data with labels"):
        search.last_errors({"a": {"seed 0": [{search.METRIC: None}]}})


@pytest.mark.parametrize("path", sorted(search.SEARCHES.glob("*.json")), ids=lambda path: path.stem)
def test_searches_come_from_committed_code(path):
    found = json.loads(path.read_text())
    assert found["dirty"] is False and len(found["commit"]) == 40
    assert not any(f"--{place}" in found["command"] for place in ("data-dir", "manual-dir", "out"))


@pytest.mark.parametrize("experiment", get_args(get_type_hints(search.Config)["experiment"]))
def test_the_default_arguments_suit_every_experiment(experiment):
    module, commands = search._commands(search.Config(experiment=experiment))
    assert module.__name__ == f"experiments.{experiment}" and list(commands) == ["0.001", "0.003", "0.01"]
