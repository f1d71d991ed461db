"""Signals that ask a run to stop, noted where it must not be torn and obeyed at once where it may.

Free of torch. While `deferred()` holds, a signal is only noted, and the run asks for it between two batches; anywhere
else it raises `StoppedBySignal` on the spot. A second signal ends the process at once. A signal that the parent process
had set to be ignored, as nohup does with SIGHUP, stays ignored.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


class StoppedBySignal(SystemExit):  # it is an exit, not an error
    """The end of a run that a signal asked for; the exit code is 128 plus the signal's number.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number
        self.advice = ""  # what to type next

    def __str__(self) -> str:
        return f"stopped by {signal.Signals(self.number).name}{self.advice}"


class _State:
    """What this process knows of signals."""

    owner = 0  # the process that installed the handlers; a forked worker inherits them
    received: int | None = None
    watching = deferring = False


def received() -> int | None:
    """Returns the number of the signal that asked this process to stop, if one did."""
    return _State.received


def install() -> None:
    """Handles the signals anew within `watched()`; Lightning puts handlers of its own in their place when it starts."""
    if _State.watching and _State.owner == os.getpid() and threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _handle)


def _handle(number: int, frame: FrameType | None) -> None:
    if os.getpid() != _State.owner:  # a worker: its parent decides, unless it is meant itself
        if number == signal.SIGTERM:
            os._exit(128 + number)
        return
    if _State.received is not None:
        os._exit(128 + number)
    _State.received = number
    if not _State.deferring:
        raise StoppedBySignal(number)


@contextmanager
def watched() -> Iterator[None]:
    """Handles the signals within the context, and puts back what was there before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    _State.received, _State.watching, _State.owner = None, True, os.getpid()
    install()
    try:
        yield
    finally:
        _State.watching, _State.received = False, None
        for number, handler in before.items():
            if handler is not None:  # it was not set from Python, and cannot be put back
                signal.signal(number, handler)


@contextmanager
def deferred() -> Iterator[None]:
    """Only notes signals within the context, and obeys what was noted at its end."""
    _State.deferring = True
    try:
        yield
    finally:
        _State.deferring = False
    if _State.received is not None:
        raise StoppedBySignal(_State.received)
