"""The same run of several seeds, one after the other, and what they give together: `seeds=5`.

Each is a run of its own, with all that a run leaves behind, in `output_dir/seed_0` and so on. They share one process:
torch is imported once, and two runs of one seed are equal to the last bit in one process as in two.
"""

import copy
import csv
import io
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from omegaconf import DictConfig

from zoo import signals
from zoo.build import claim_directory, typed_overrides
from zoo.comparison.runs import SEEDS, Run, read_run, shared
from zoo.comparison.statistics import FEW, Summary, summarized
from zoo.config.command_line import option_of
from zoo.config.resume import resume_command, save_overrides, saved_overrides
from zoo.config.run_directory import VARIABLE, release_run_directory
from zoo.errors import StorageError
from zoo.files import replacing, write_json
from zoo.run import train

_OWN = {"seed", "seeds", "output_dir", "resume"}  # options that each run has of its own


def train_seeds(cfg: DictConfig, seeds: Sequence[int], *, started: float | None = None) -> float | None:
    """Trains a run of each seed, and writes and shows mean, spread and confidence interval of what they reach.

    Runs that have ended, by the very same options, are not repeated where `resume` is set.

    Args:
        cfg: the config that `configs/train.yaml` composes.
        seeds: one or more, each once.
        started: `time.perf_counter()` at the start of the process.

    Returns:
        The mean of the best values of the monitored metric, of the runs that were made now; None of none.
    """
    begun = time.perf_counter() if started is None else started
    if "LOCAL_RANK" in os.environ and VARIABLE in os.environ:  # started by the first process, for the run it is at
        path = Path(os.environ[VARIABLE])
        seed = int(path.name.removeprefix("seed_"))
        return train(_of_seed(cfg, seed, path), started=started, overrides=_overrides(seed))
    directory = _directory(cfg)
    scores = []
    for number, seed in enumerate(seeds, start=1):
        path, overrides = directory / f"seed_{seed}", _overrides(seed)
        if cfg.resume and _is_done(path, overrides):
            print(f"seed {seed}: has ended, {path}")
            continue
        print(f"\nseed {seed}, {number} of {len(seeds)}", flush=True)
        try:
            scores.append(train(_of_seed(cfg, seed, path), started=started, overrides=overrides))
        except signals.StoppedBySignal as stop:
            stop.advice = f" at seed {seed}, {number} of {len(seeds)}; go on with:\n  {resume_command(directory)}"
            raise
        started = None
    if int(os.environ.get("RANK", "0")) == 0:
        _report([read_run(directory / f"seed_{seed}") for seed in seeds], directory, time.perf_counter() - begun)
    found = [score for score in scores if score is not None]
    return fmean(found) if found else None


def _directory(cfg: DictConfig) -> Path:
    """Returns the directory of all runs, with the options as they were typed."""
    if cfg.resume and cfg.resume != "auto":
        cfg.output_dir = cfg.resume
    directory = claim_directory(cfg)
    release_run_directory()  # each run claims its own
    save_overrides(directory, typed_overrides())
    return directory


def _of_seed(cfg: DictConfig, seed: int, path: Path) -> DictConfig:
    own = copy.deepcopy(cfg)
    own.seed, own.seeds, own.output_dir = seed, None, str(path)
    own.resume = "auto" if cfg.resume else None
    return own


def _overrides(seed: int) -> list[str]:
    """Returns the options that make the run of one seed."""
    typed = [override for override in typed_overrides() if option_of(override)[0] not in _OWN]
    return [*typed, f"seed={seed}", "seeds=null"]


def _is_done(path: Path, overrides: Sequence[str]) -> bool:
    """Whether a run of these options has come to its end, which a test or a whole training shows."""
    try:
        values = json.loads((path / "metrics.json").read_text())
    except (OSError, ValueError):
        return False
    ended = values.get("status") == "completed" or any(name.startswith("test/") for name in values)
    return ended and saved_overrides(path) == list(overrides)


def _report(runs: Sequence[Run], directory: Path, seconds: float) -> None:
    names = shared(runs)
    found = {name: summarized([run.metrics[name] for run in runs]) for name in names}
    values: dict[str, Any] = {"status": "completed", "num_seeds": len(runs), "seeds": _listed(runs)}
    for name, summary in found.items():
        values[name] = summary.mean
        values[f"{name}_std"], values[f"{name}_interval_95"] = summary.std, summary.interval
    values |= {"seconds_total": seconds, "output_dir": str(directory)}
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [["seed", *names], *([run.seed, *(run.metrics[name] for name in names)] for run in runs)]
    )
    try:
        with replacing(directory / SEEDS) as file:
            file.write(text.getvalue().encode())
        write_json(directory / "metrics.json", values)
    except OSError as error:
        raise StorageError(str(directory), f"cannot be written ({error.strerror})", "make room") from error
    _show(runs, found, directory)


def _show(runs: Sequence[Run], found: Mapping[str, Summary], directory: Path) -> None:
    width = max(map(len, found), default=0)
    print(f"\n{len(runs)} seeds ({_listed(runs)}): mean ± 95 % confidence interval, standard deviation, range")
    for name, (_, mean, std, interval) in found.items():
        values = [run.metrics[name] for run in runs]
        spread = "" if std is None else f" ± {interval:.4f}  {std:.4f}  {min(values):.4f} to {max(values):.4f}"
        print(f"{name:<{width}}  {mean:.4f}{spread}")
    if len(runs) < FEW:
        print(f"\n{len(runs)} seeds leave the interval wide: {FEW} or more tell better")
    print(f"\n  runs   {directory}/seed_*\n  table  {directory / SEEDS}")
    print(f"\nnext:\n  python -m zoo compare {directory} OTHER")


def _listed(runs: Sequence[Run]) -> str:
    return ",".join(str(run.seed) for run in runs)
