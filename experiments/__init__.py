"""The paper's tables and figures, each a module to run: ``python -m experiments.prior_matching --help``."""

import os
import signal
import sys
from types import FrameType

STOPPED = "stopped; the same command with --resume goes on from the last checkpoint, if there is one"


def _stop(number: int, frame: FrameType | None) -> None:
    os.write(2, f"{STOPPED}\n".encode())
    os._exit(128 + number)


# Of a command, before all else is imported: out of that an exception comes as a traceback, or is lost in a callback.
if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _stop)
