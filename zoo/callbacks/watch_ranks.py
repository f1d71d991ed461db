"""Of several processes that train together, none outlives another: where one is killed, the rest say so and end."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable

from lightning.pytorch import Callback, LightningModule, Trainer

_SECONDS = 0.5  # between two looks; Lightning's own observer kills everything, without a word, after 5


class WatchRanks(Callback):
    """Watches, in a thread, the processes that this one has started, or the one that has started it.

    A collective operation waits for a process that is dead, for minutes or for ever, so that the thread ends this one.

    Args:
        resume: returns the command that goes on with the run.
    """

    def __init__(self, resume: Callable[[], str]) -> None:
        self.resume = resume
        self._done = threading.Event()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts to watch."""
        processes = getattr(trainer.strategy.launcher, "procs", None)
        if trainer.world_size == 1 or processes is None:
            return
        if processes:  # this is the first of them
            threading.Thread(target=self._watch_children, args=(processes,), daemon=True).start()
        elif trainer.local_rank > 0:
            threading.Thread(target=self._watch_parent, args=(os.getppid(),), daemon=True).start()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ends the watch: from here on the processes may end one after the other."""
        self._done.set()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Ends the watch where a process ends by itself, and says why; not where it only feels another's death."""
        if is_of_another(exception):
            time.sleep(4 * _SECONDS)  # the thread knows more, and ends this process
        self._done.set()

    def _watch_children(self, processes: list[object]) -> None:
        while not self._done.wait(_SECONDS):
            for rank, process in enumerate(processes, start=1):
                if code := process.poll():  # type: ignore[attr-defined]
                    if code < 0:
                        self._leave(
                            f"process {rank} of {len(processes) + 1} was killed by {signal.Signals(-code).name}"
                        )
                    os._exit(code)  # it has said why

    def _watch_parent(self, parent: int) -> None:
        while not self._done.wait(_SECONDS):
            if os.getppid() != parent:
                self._leave("the first process was killed")

    def _leave(self, problem: str) -> None:
        try:
            sys.stdout.flush()
            problem += f", perhaps for want of memory; go on with: {self.resume()}"
            print(f"error: trainer.devices: {problem}", file=sys.stderr, flush=True)
        finally:  # also where what is printed goes to a full disk
            os._exit(3)


def is_of_another(error: BaseException) -> bool:
    """Whether an error is that of a collective operation whose other side is gone."""
    text = str(error)
    return isinstance(error, RuntimeError) and any(
        mark in text for mark in ("closed by peer", "Connection reset", "NCCL", "gloo", "Broken pipe")
    )
