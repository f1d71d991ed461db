"""A SLURM job that is requeued goes on with the run that it was doing, by the very same command.

SLURM starts a requeued job with the number that it had, and counts how often it did. A file beside the runs, named
after that number and the options, tells which run was the job's: one job may do several. `sbatch --requeue
--signal=USR1@120 ...` asks a run two minutes before its time is up to save and queue again.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from zoo.config.command_line import option_of, quoted

DEFAULT_LOGS = "logs"
_CHOICES = {"resume", "output_dir"}  # of a run, by the user


def note_job(logs_dir: str, directory: Path, overrides: Sequence[str]) -> None:
    """Notes which run this job is doing, if it is one of SLURM's.

    Args:
        logs_dir: where the runs of all tasks lie.
        directory: of the run.
        overrides: as on the command line; where they choose a run, there is nothing to note.
    """
    note = _note(logs_dir, overrides)
    if note and not dict(map(option_of, overrides)).keys() & _CHOICES:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(str(directory.resolve()))


def with_requeued(overrides: Sequence[str]) -> list[str]:
    """Returns overrides that let a requeued job go on with its run; without one, or where told otherwise, as they are.

    Args:
        overrides: as on the command line.
    """
    values = dict(map(option_of, overrides))
    note = _note(values.get("paths.logs_dir", DEFAULT_LOGS), overrides)
    # A second run of the same job, as in an interactive session, is none that was requeued.
    restarted = os.environ.get("SLURM_RESTART_COUNT", "0") != "0"
    if note is None or not restarted or not note.is_file() or values.keys() & _CHOICES:
        return list(overrides)
    return [*overrides, f"output_dir={quoted(note.read_text())}", "resume=auto"]


def requeue(number: int) -> None:
    """Queues this job again where SLURM had announced its end by SIGUSR1.

    Args:
        number: of the signal that has stopped the run.
    """
    job = _job()
    if job is None or number != signal.SIGUSR1:
        return
    command = shutil.which("scontrol")
    if command is None:
        print(f"scontrol is not to be found: requeue job {job} by hand", file=sys.stderr)
        return
    done = subprocess.run([command, "requeue", job], capture_output=True, text=True, check=False)
    print(f"requeued job {job}" if done.returncode == 0 else f"job {job}: {done.stderr.strip()}", file=sys.stderr)


def _note(logs_dir: str, overrides: Sequence[str]) -> Path | None:
    job = _job()
    options = repr(sorted(map(option_of, overrides)))
    digest = hashlib.sha256(options.encode()).hexdigest()[:12]
    return Path(logs_dir).expanduser() / f".slurm-{job}-{digest}" if job else None


def _job() -> str | None:
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    job = f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")
    return job if job and job.replace("_", "").isdigit() else None
