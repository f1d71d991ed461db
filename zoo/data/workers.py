"""Worker processes that load: batches from them, or one line when one of them has died.

Torch notices the death of a worker in a signal handler, and raises wherever the main process is just then: in the
middle of a step, or of a save. Here the handler raises only while a batch is waited for, where nothing is half done; at
any other time the next batch tells. To wait without a handler is no way either: a worker that dies while it writes
leaves the main process reading for ever.
"""

import atexit
import signal
import threading
from collections.abc import Iterator
from multiprocessing.connection import wait
from types import FrameType
from typing import Any, TypeVar
from weakref import WeakSet

from torch.utils.data import DataLoader

from zoo.errors import TrainingStopped
from zoo.signals import SIGNALS

Item = TypeVar("Item")

_SECONDS_TO_DIE = 1.0
_in_use = WeakSet[Any]()  # iterators of torch's loaders
_waiting = False  # whether the main thread waits for a batch
_handled: Any = None  # the handler that ours stands before


def batches_of(loader: DataLoader[Any]) -> Iterator[Any]:
    """Goes through a loader of torch's.

    Args:
        loader: with workers or without.

    Yields:
        Its batches.

    Raises:
        TrainingStopped: a worker of this or another loader has died.
    """
    iterator = iter(loader)
    if not loader.num_workers:
        yield from iterator
        return
    _in_use.add(iterator)
    _handle_deaths()
    while True:
        _check_workers()
        try:
            batch = _wait(iterator)
        except StopIteration:
            return
        except (RuntimeError, OSError, EOFError):
            _check_workers(seconds=_SECONDS_TO_DIE)
            raise
        yield batch


def outlive_one_signal(worker_id: int) -> None:
    """Lets a worker outlive the first signal that asks to stop; to be given to torch's loader as `worker_init_fn`.

    A scheduler or a terminal sends it to the whole group of processes: the parent then saves between two batches, and
    needs its workers for the next one. A second signal ends a worker.
    """
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_first_signal)


def _on_first_signal(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)


def _wait(iterator: Iterator[Item]) -> Item:
    global _waiting
    _waiting = True
    try:
        return next(iterator)
    finally:
        _waiting = False


def _check_workers(*, seconds: float = 0.0) -> None:
    """Looks whether all workers of all loaders are alive.

    Args:
        seconds: how long to wait for one that is dying.

    Raises:
        TrainingStopped: one is not.
    """
    if seconds:
        workers = {worker.sentinel: worker for iterator in list(_in_use) for worker in _workers(iterator)}
        for sentinel in wait(list(workers), seconds):
            workers[sentinel].join(seconds)  # its files are closed before it is dead
    for iterator in list(_in_use):
        for worker in _workers(iterator):
            if not worker.is_alive():
                _in_use.discard(iterator)
                problem, remedy = _cause(worker.pid, worker.exitcode)
                _kill(iterator)
                raise TrainingStopped("data.num_workers", problem, remedy)


def _workers(iterator: Any) -> list[Any]:
    """Returns the workers of an iterator that has not ended them itself."""
    return [] if getattr(iterator, "_shutdown", False) else getattr(iterator, "_workers", [])


def _kill(iterator: Any) -> None:
    """Ends the workers of an iterator, which only read, and waits until they are gone; torch alone waits far longer."""
    workers = _workers(iterator)
    for worker in workers:
        worker.kill()
    for worker in workers:
        worker.join(_SECONDS_TO_DIE)


@atexit.register
def _kill_all() -> None:
    """Ends what workers there are when this process ends; Python sends them one signal only, which they outlive."""
    for iterator in list(_in_use):
        _kill(iterator)


def _cause(pid: int, exit_code: int | None) -> tuple[str, str]:
    """Returns what has happened to a worker, and what to do about it."""
    code = exit_code or 0
    lower = "lower data.num_workers, or set it to 0"
    if code >= 0:
        return f"worker process {pid} has ended with exit code {code}", f"look at what it printed; {lower}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    if name == "SIGKILL":
        return f"worker process {pid} was killed by SIGKILL, as the system does when memory runs out", lower
    if name == "SIGBUS":
        return f"worker process {pid} ran out of shared memory (SIGBUS)", f"enlarge /dev/shm; {lower}"
    return f"worker process {pid} was killed by {name}", lower


def _handle_deaths() -> None:
    """Puts our handler before torch's, which is installed when a loader starts its first workers."""
    global _handled
    if not hasattr(signal, "SIGCHLD") or threading.current_thread() is not threading.main_thread():
        return
    current = signal.getsignal(signal.SIGCHLD)
    if callable(current) and current is not _on_death:
        _handled = current
        signal.signal(signal.SIGCHLD, _on_death)


def _on_death(signum: int, frame: FrameType | None) -> None:
    try:
        _handled(signum, frame)
    except RuntimeError:
        if _waiting:
            raise
