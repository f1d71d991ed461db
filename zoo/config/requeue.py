"""A SLURM job that is requeued goes on with the run that it was doing, by the very same command.

SLURM starts a requeued job with the number that it had. A file of that number beside the runs tells which one was the
job's. `sbatch --requeue --signal=USR1@120 ...` asks a run two minutes before its time is up to save and queue again.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

DEFAULT_LOGS = "logs"


def note_job(logs_dir: str, directory: Path) -> None:
    """Notes which run this job is doing, if it is one of SLURM's."""
    if note := _note(logs_dir):
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(str(directory.resolve()))


def with_requeued(overrides: Sequence[str]) -> list[str]:
    """Returns overrides that let a requeued job go on with its run; without one, or where told otherwise, as they are.

    Args:
        overrides: as on the command line.
    """
    values = dict(override.partition("=")[::2] for override in overrides)
    note = _note(values.get("paths.logs_dir", DEFAULT_LOGS))
    if note is None or not note.is_file() or values.keys() & {"resume", "output_dir"}:
        return list(overrides)
    return [*overrides, f"output_dir='{note.read_text()}'", "resume=auto"]


def requeue(number: int) -> None:
    """Queues this job again where SLURM had announced its end by SIGUSR1."""
    job = _job()
    if job is None or number != signal.SIGUSR1:
        return
    command = shutil.which("scontrol")
    if command is None:
        print(f"scontrol is not to be found: requeue job {job} by hand", file=sys.stderr)
        return
    done = subprocess.run([command, "requeue", job], capture_output=True, text=True, check=False)
    print(f"requeued job {job}" if done.returncode == 0 else f"job {job}: {done.stderr.strip()}", file=sys.stderr)


def _note(logs_dir: str) -> Path | None:
    job = _job()
    return Path(logs_dir).expanduser() / f".slurm-{job}" if job else None


def _job() -> str | None:
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    job = f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")
    return job if job and job.replace("_", "").isdigit() else None
