"""Real runs in processes of their own, which can be killed, stopped and resumed.

A server process has imported everything and computes nothing; each run is forked off it, so that it costs a second and
not the fifteen that imports take. From there on it is the entry point's own code with its own exit code.
"""

import multiprocessing
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from tests.quiet import QUIET

ROOT = Path(__file__).parent.parent.parent
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["zoo.run", "zoo.data.memory_images", "zoo.data.image_folder", "tests.faults.recorder"])

TINY = [
    "data=synthetic_images",
    "data.source.num_samples=160",
    "data.source.num_test_samples=40",
    "data.image_size=8",
    "data.batch_size=16",
    "data.val_fraction=0.25",
    "model=mlp",
    "model.hidden_sizes=[16]",
    "trainer=cpu",
    "trainer.max_epochs=3",
    "trainer.log_every_n_steps=1",
    "callbacks.augmented_images=null",
    *QUIET,
]


class Run:
    """One start of an entry point in a process of its own.

    Args:
        overrides: as on its command line, after those of a tiny run.
        directory: its `output_dir`; what is noted and printed lies beside it.
        output_dir: whether it is said on the command line.
        tiny: whether the tiny run's options come first.
        record: whether each step is written to `steps.jsonl`.
        program: the script.
        environment: variables beside those of this process.
        prepare: called in the new process before anything else.
    """

    def __init__(
        self,
        *overrides: str,
        directory: Path,
        output_dir: bool = True,
        tiny: bool = True,
        record: bool = True,
        program: str = "train.py",
        environment: dict[str, str] | None = None,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        arguments = [*(TINY if tiny else ()), *overrides]
        if output_dir:
            arguments.append(f"output_dir={directory}")
        directory.parent.mkdir(parents=True, exist_ok=True)
        self.directory, self.steps = directory, directory.with_suffix(".jsonl")
        if record:
            arguments += ["+callbacks.recorder._target_=tests.faults.recorder.Recorder", "allow=[tests]"]
            arguments += [f"+callbacks.recorder.path={self.steps}"]
        self.log = directory.with_suffix(".log")
        self.start = self.log.stat().st_size if self.log.exists() else 0
        self.process = CONTEXT.Process(
            target=_run, args=(program, arguments, str(self.log), environment or {}, prepare)
        )
        self.process.start()

    def wait(self, seconds: float = 60) -> int:
        """Returns the exit code; minus the signal that killed it."""
        self.process.join(seconds)
        assert self.process.exitcode is not None, f"still running after {seconds} s:\n{self.output}"
        return self.process.exitcode

    def send(self, number: int) -> None:
        """Sends a signal."""
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, number)  # type: ignore[arg-type]

    def kill(self) -> None:
        """Kills it as a machine that loses its power would, and waits for its end."""
        self.send(signal.SIGKILL)
        self.process.join(30)

    def until(self, condition: Callable[[], Any], seconds: float = 60) -> bool:
        """Waits until something is true; False where the process ended first."""
        end = time.monotonic() + seconds
        while not condition():
            if self.process.exitcode is not None:
                return bool(condition())
            assert time.monotonic() < end, f"waited {seconds} s in vain:\n{self.output}"
            time.sleep(0.002)
        return True

    def until_step(self, number: int) -> bool:
        """Waits until a number of lines is recorded, by this start or the ones before it."""
        return self.until(lambda: self.steps.exists() and self.steps.read_text().count("\n") >= number)

    @property
    def output(self) -> str:
        """What this start has printed, stdout and stderr together."""
        return self.log.read_bytes()[self.start :].decode(errors="replace") if self.log.exists() else ""

    @property
    def last_line(self) -> str:
        """The last line printed."""
        return (self.output.strip().splitlines() or [""])[-1]


def run(*overrides: str, **options: Any) -> Run:
    """Runs to the end."""
    started = Run(*overrides, **options)
    started.wait()
    return started


def _run(program: str, arguments: list[str], log: str, environment: dict[str, str], prepare: Any) -> None:
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    os.environ.update(environment)
    os.chdir(ROOT)
    torch.set_num_threads(1)
    if prepare is not None:
        prepare()
    sys.argv = [program, *arguments]
    runpy.run_path(str(ROOT / program), run_name="__main__")
