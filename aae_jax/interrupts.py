"""Signals that wait until work can be laid down: a run that is told to stop saves first."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

__all__ = ["Stopped", "deferred"]


class Stopped(KeyboardInterrupt):
    """A run that was told to stop has saved and stopped.

    Attributes:
        number: of the signal; by custom a command then exits with 128 + number.
    """

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


@contextlib.contextmanager
def deferred() -> Iterator[Callable[[], int]]:
    """Within the block, the first SIGINT or SIGTERM is kept rather than obeyed; a second one acts as it always did.

    One that the block has not acted upon, by an exception of its own, is obeyed at its end.

    Yields:
        A function that gives the number of the signal that came, or 0. Outside of the main thread, where Python lets
        nobody handle signals, always 0.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def keep(number: int, frame: FrameType | None) -> None:
        received.append(number)
        restore()

    for number in numbers:
        signal.signal(number, keep)
    try:
        yield lambda: received[0] if received else 0
    finally:
        restore()
    if received:
        signal.raise_signal(received[0])
