"""Signals are noted where a run must not be torn, obeyed at once elsewhere, and left as they were in the end."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from zoo import signals
from zoo.signals import SIGNALS, StoppedBySignal, deferred, received, watched


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def as_in_a_terminal() -> Iterator[None]:
    """No signal is ignored, as they are in tests that nohup or a shell's background runs."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_an_exit_with_its_code(number: int) -> None:
    with pytest.raises(StoppedBySignal) as stop, watched():
        send(number)
    assert stop.value.code == 128 + number
    assert str(stop.value) == f"stopped by {signal.Signals(number).name}"


def test_a_signal_that_is_deferred_is_noted_and_obeyed_at_the_end() -> None:
    passed = False
    with pytest.raises(StoppedBySignal), watched(), deferred():
        send(signal.SIGTERM)
        passed = received() == signal.SIGTERM
    assert passed


def test_without_a_signal_nothing_stops() -> None:
    with watched(), deferred():
        assert received() is None


def test_an_error_is_not_hidden_by_a_signal_that_came_with_it() -> None:
    with pytest.raises(ZeroDivisionError), watched(), deferred():
        send(signal.SIGTERM)
        raise ZeroDivisionError


def test_handlers_are_put_back_and_a_signal_is_forgotten() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(StoppedBySignal), watched():
        assert signal.getsignal(signal.SIGTERM) != before[1]
        send(signal.SIGTERM)
    assert [signal.getsignal(number) for number in SIGNALS] == before
    assert received() is None
    with deferred():  # as in a notebook, where nothing watches
        pass


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with watched():
            signals.install()
            send(signal.SIGHUP)
            assert received() is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_that_a_library_has_replaced_are_installed_anew() -> None:
    with watched():
        own = signal.getsignal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signals.install()
        assert signal.getsignal(signal.SIGTERM) == own


def test_outside_nothing_is_installed() -> None:
    before = signal.getsignal(signal.SIGTERM)
    signals.install()
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_thread_changes_no_handlers() -> None:
    seen = []

    def work() -> None:
        with watched():
            seen.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def code_of(program: str) -> int:
    text = f"import os, signal, time\nfrom zoo.signals import deferred, watched\n{program}"
    return subprocess.run([sys.executable, "-c", text], check=False).returncode


def test_a_second_signal_leaves_at_once() -> None:
    send_both = "[os.kill(os.getpid(), n) for n in (signal.SIGTERM, signal.SIGINT)]"
    assert code_of(f"with watched(), deferred():\n {send_both}\n os._exit(7)") == 128 + signal.SIGINT


def test_a_forked_worker_ends_by_sigterm_alone() -> None:
    worker = """
with watched(), deferred():
    pid = os.fork()
    if not pid:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), NUMBER)
        os._exit(5)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    assert code_of(worker.replace("NUMBER", "signal.SIGUSR1")) == 5
    assert code_of(worker.replace("NUMBER", "signal.SIGTERM")) == 128 + signal.SIGTERM
