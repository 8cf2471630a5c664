"""From words to a call: presets, help, and one line for a mistake."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from experiments import command_line


@dataclasses.dataclass(frozen=True)
class Config:
    """Options."""

    preset: Literal["laptop", "smoke"] = "laptop"
    """Which defaults."""
    epochs: int = 60
    """Passes over the data."""
    out: Path = Path("runs")
    """A folder."""


PRESETS = command_line.preset_field({"laptop": Config(), "smoke": Config(epochs=1)})


def run(*arguments, main=lambda config: config):
    return command_line.run(main, PRESETS, arguments=arguments)


def test_the_first_preset_is_the_default_and_options_come_on_top():
    assert run() == Config("laptop", 60)
    assert run("--preset", "smoke") == Config("smoke", 1)
    assert run("--preset=smoke", "--epochs", "3") == Config("smoke", 3)
    assert run("--epochs", "3", "--preset", "smoke") == Config("smoke", 3)


def test_a_home_that_the_shell_has_left_is_one(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run("--out=~/runs").out == tmp_path / "runs"


def test_help_explains_every_option_with_the_presets_defaults(capsys):
    with pytest.raises(SystemExit) as leaving:
        run("--preset", "smoke", "--help")
    assert leaving.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: python -m {__name__} ")
    assert "Which defaults." in text and "Passes over the data." in text and "default: 1" in text


@pytest.mark.parametrize("arguments", [("--preset", "sofa"), ("--preset",), ("--epochs", "many"), ("--epoch", "3")])
def test_words_that_mean_nothing_leave_with_status_2(capsys, arguments):
    with pytest.raises(SystemExit) as leaving:
        run(*arguments)
    assert leaving.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("error", [ValueError, FileNotFoundError, FloatingPointError])
def test_a_mistake_is_one_line_and_status_2(capsys, error):
    def main(config):
        raise error("epochs is 0; expected at least 1")

    with pytest.raises(SystemExit) as leaving:
        run(main=main)
    assert leaving.value.code == 2
    assert capsys.readouterr().err == "error: epochs is 0; expected at least 1\n"


def test_an_interrupt_says_how_to_go_on(capsys):
    def main(config):
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as leaving:
        run(main=main)
    assert leaving.value.code == 130
    assert "--resume" in capsys.readouterr().err


def test_an_interrupt_while_modules_are_imported_is_one_line(tmp_path):
    (tmp_path / "jax.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    command = [sys.executable, "-m", "experiments.divergences"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    # A shell lets what it starts in the background ignore SIGINT, and so what these tests start.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.returncode == 130 and done.stderr.startswith("stopped; ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [["experiments.reproduce"], ["experiments.divergences", "--help"]])
def test_a_reader_who_leaves_ends_the_process_without_a_word(words):
    command = [sys.executable, "-m", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_what_is_no_mistake_of_the_users_keeps_its_traceback():
    def main(config):
        raise KeyError("ours")

    with pytest.raises(KeyError):
        run(main=main)
