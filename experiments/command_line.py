"""From the words of a command to a call: presets, `--help`, one-line errors."""

import argparse
import dataclasses
import os
import shlex
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from aae_jax import hosts
from aae_jax.checks import check_choice, nearest
from aae_jax.interrupts import Stopped
from experiments import STOPPED

__all__ = ["guarded", "preset_field", "run"]

Config = TypeVar("Config")


def run(
    main: Callable[[Config], Any], presets: Mapping[str, Config], *, arguments: Sequence[str] | None = None
) -> Any:
    """Reads a config from the command line and calls `main` with it.

    Every field of the config is an option, explained by its docstring; `--preset` chooses the defaults of the others.
    A mistake of the user's ends the process with one line and status 2, SIGINT with status 130, SIGTERM with 143.
    Where nobody reads its output any more, it ends without a word, with 141.

    Args:
        main: an experiment.
        presets: configs by name, the default first; each has a field `preset` that holds its name.
        arguments: instead of those of the process.
    """
    import tyro

    arguments = list(sys.argv[1:] if arguments is None else arguments)
    default = presets[_preset(arguments, list(presets))]
    guarded(lambda: _check_names(arguments, type(default)))
    module = sys.modules[main.__module__]
    words = {"prog": module.__spec__ and f"python -m {module.__spec__.name}", "description": module.__doc__}
    config = guarded(lambda: tyro.cli(type(default), default=default, args=arguments, **words))
    # A shell leaves the ~ of --out=~/runs as it is.
    paths = {name: value.expanduser() for name, value in vars(config).items() if isinstance(value, Path)}
    config = dataclasses.replace(config, **paths)
    guarded(lambda: _check_needs(arguments, config))
    _repeat_bits()
    _cache_compilations()
    return guarded(lambda: _together(main, config))


def guarded(work: Callable[[], Any]) -> Any:
    """Does what is to be done; mistakes and signals end the process as `run` says."""
    try:
        try:
            return work()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has had enough, as head has; what is left is for nobody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    except (ValueError, OSError, FloatingPointError) as error:
        _leave(2, f"error: {error}")
    except Stopped as stop:
        _leave(128 + stop.number, f"{stop}; the same command with --resume goes on from there")
    except KeyboardInterrupt:
        _leave(130, STOPPED)


def _check_names(arguments: Sequence[str], kind: Any) -> None:
    """Unknown options and choices, told from the nearest known ones, and missing values; the rest tyro says."""
    of_class = get_type_hints(kind)
    hints = {field.name: of_class[field.name] for field in dataclasses.fields(kind)}
    known = {*hints, "help", *(f"no_{name}" for name, hint in hints.items() if hint is bool)}
    option, value = "", None
    for word in arguments:
        if word.startswith("--"):
            if value is None and hints.get(option) is str:
                raise ValueError(
                    f"{option} has no value, and {word!r} reads as an option; if it is the value, write "
                    f"--{option.replace('_', '-')}={shlex.quote(word)} with =."
                )
            given, equals, after = word[2:].partition("=")
            option, value = given.replace("-", "_"), after if equals else None
            if option not in known and not option.startswith("tyro_"):
                near = nearest(option, known).replace("_", "-")
                raise ValueError(f"There is no option --{given}.{near} --help lists them all.")
        else:
            value = word
        choices = _choices(hints.get(option))
        if choices and value is not None:
            check_choice(option, value, choices)
        elif value == "" and hints.get(option, str) is not str:
            # As a path it would be the current folder.
            raise ValueError(f"{option} is ''; expected a value: give one, or leave the option out.")


def _check_needs(arguments: Sequence[str], config: Any) -> None:
    """Options that were given and would do nothing, see `NEEDS` and `OF_SOME` of `options.Options`."""
    given = {word[2:].partition("=")[0].replace("-", "_") for word in arguments if word.startswith("--")}
    needs: Mapping[str, str] = getattr(config, "NEEDS", {})
    for option in (option for option in needs if option in given and getattr(config, option)):
        needed = option
        while needed := needs.get(needed, ""):
            if not getattr(config, needed):
                raise ValueError(
                    f"{option} is {getattr(config, option)}, and does nothing while {needed} is "
                    f"{getattr(config, needed)}; expected another --{needed.replace('_', '-')} beside it."
                )
    for option, (selection, names) in getattr(config, "OF_SOME", {}).items():
        chosen = getattr(config, selection)
        if option in given and not {*names} & {*chosen}:
            raise ValueError(
                f"{option} is {getattr(config, option)}, and does nothing while {selection} is {tuple(chosen)}; "
                f"expected {' or '.join(names)} among --{selection.replace('_', '-')}."
            )


def _choices(hint: Any) -> tuple[str, ...]:
    """The words that an option takes, one or several of them; none where it takes others."""
    if get_origin(hint) is tuple:
        hint = get_args(hint)[0]
    return get_args(hint) if get_origin(hint) is Literal else ()


def _preset(arguments: Sequence[str], names: Sequence[str]) -> str:
    """The preset has to be known before the other options, whose defaults it gives. Unknown ones are left to tyro."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--preset", default=names[0])
    try:
        preset = parser.parse_known_args(arguments)[0].preset
    except argparse.ArgumentError:
        return names[0]
    return preset if preset in names else names[0]


def _together(main: Callable[[Config], Any], config: Config) -> Any:
    """Calls `main` as one of several processes, where the config names them."""
    coordinator, processes, process = (getattr(config, name, None) for name in ("coordinator", "processes", "process"))
    if coordinator is not None:
        with hosts.join(coordinator, processes, process):
            return main(config)
    if processes is not None or process is not None:
        raise ValueError("Several processes need a coordinator: HOST:PORT of the first one.")
    return main(config)


def _repeat_bits() -> None:
    """Same bytes on GPUs too: unless told otherwise XLA sums there in an order that changes from run to run."""
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_gpu_deterministic_ops" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()


def _cache_compilations() -> None:
    """Keeps compiled programs between runs, where the user has not said otherwise."""
    import jax

    if jax.config.jax_compilation_cache_dir is None:
        root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        jax.config.update("jax_compilation_cache_dir", str(Path(root) / "aae_jax"))
        # A start compiles many small programs: together they take longer than the large one.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        # A cache that cannot be written costs time, nothing else.
        warnings.filterwarnings("ignore", message=".*persistent compilation cache.*")


def _leave(status: int, message: str) -> None:
    print(message, file=sys.stderr)
    raise SystemExit(status)


def preset_field(presets: Mapping[str, Any]) -> dict[str, Any]:
    """Presets that know their own names."""
    return {name: dataclasses.replace(config, preset=name) for name, config in presets.items()}
