"""Bad inputs: what is asked, of which entry point, and what the answer has to say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Case(NamedTuple):
    """A bad input.

    Attributes:
        entry: the function, constructor or command that is given it.
        rule: what it breaks.
        call: gives it; reads and writes in the folder that it is given, if anywhere.
        words: that the message has to hold: the offending value, and what was expected.
        error: what is raised.
        given: writes what the call is to find in the folder.
        leaves: names of files that the entry point may leave there all the same.
    """

    entry: str
    rule: str
    call: Callable[[Path], Any]
    words: tuple[str, ...]
    error: type[BaseException] = ValueError
    given: Callable[[Path], Any] = lambda folder: None
    leaves: tuple[str, ...] = ()


def cases(entry: str, rules: dict[str, tuple[Any, ...]], **options: Any) -> list[Case]:
    """The cases of one entry point, `{rule: (call without arguments, *words)}`."""
    return [
        Case(entry, rule, lambda folder, call=call: call(), tuple(words), **options)
        for rule, (call, *words) in rules.items()
    ]


def in_folder(entry: str, rules: dict[str, tuple[Any, ...]], **options: Any) -> list[Case]:
    """Likewise of calls that take the folder, `{rule: (call, given or None, *words)}`."""
    return [
        Case(entry, rule, call, tuple(words), **{"given": given or (lambda folder: None), **options})
        for rule, (call, given, *words) in rules.items()
    ]
