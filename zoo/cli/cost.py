"""Says what a run is going to cost: operations, memory, time and energy, from a few of its steps."""

import shlex
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, open_dict

from zoo.cli._output import say
from zoo.config.entry import run
from zoo.costs.forecast import NOT_COUNTED, Forecast
from zoo.costs.units import duration, megabytes, short
from zoo.errors import OptionError

if TYPE_CHECKING:
    from zoo.callbacks.cost_trial import CostTrial

_HELP = """\
usage: python -m zoo cost [GROUP=CHOICE ...] [KEY=VALUE ...]

{about}

  KEY=VALUE     the options of train.py, whose run it is: data=..., model=..., experiment=...
  output_dir=FOLDER  where cost.json is written; without it nothing is

Nothing is kept of the steps. They are timed for three seconds at least: callbacks.cost.seconds=10 for longer.
Not counted as operations: {not_counted}.
"""
_SECONDS, _VALIDATION = 3.0, 8  # for how long steps are timed at least; batches of validation


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit code.

    Args:
        arguments: overrides of the config of training.
    """
    if {"--help", "-h"} & set(arguments):
        print(_HELP.format(about=(__doc__ or "").strip(), not_counted=NOT_COUNTED), end="")
        return 0
    run(lambda cfg: _cost(cfg, arguments), "train", argv=["-m zoo cost", *arguments])


def _cost(cfg: DictConfig, arguments: Sequence[str]) -> None:
    if cfg.resume:
        raise OptionError("resume", "a run that was begun has its cost.json", "leave it out")
    if cfg.trainer.get("strategy") in ("fsdp", "deepspeed"):
        problem = f"{cfg.trainer.strategy} spreads weights over processes, whose parts are not measured alone"
        raise OptionError("trainer.strategy", problem, "leave it out to see the cost of one process with all of them")
    import torch  # now that the config has been found right

    from zoo.config.run_directory import make_directory
    from zoo.files import write_json

    kept = make_directory(cfg.output_dir, option="output_dir") if cfg.output_dir else None
    with tempfile.TemporaryDirectory(prefix="zoo_cost_") as directory:
        trial, facts = _try(cfg, directory, _processes(cfg.trainer, torch.cuda.device_count()))
        assert trial.forecast is not None
    if kept is not None:
        write_json(kept / "cost.json", {**trial.forecast.plain(), "notes": trial.forecast.notes})
    say(_lines(trial.forecast, trial.waiting, facts))
    say(["", "next:", f"  {shlex.join(['python', 'train.py', *arguments])}"])


def _try(cfg: DictConfig, directory: str, processes: int) -> tuple["CostTrial", dict[str, Any]]:
    """Starts the run in a folder of its own, and stops it when it knows enough."""
    from zoo.build import build
    from zoo.callbacks.cost_trial import CostTrial
    from zoo.config.run_directory import release_run_directory
    from zoo.failure import failing_in_words
    from zoo.memory import limited_memory

    own = (cfg.callbacks.get("cost") or {}).get("seconds", _SECONDS)
    trial = {
        "_target_": "zoo.callbacks.cost_trial.CostTrial",
        "seconds": max(_SECONDS, own),
        "processes": processes,
        "every_n_epochs": cfg.trainer.get("check_val_every_n_epoch") or 1,
    }
    with open_dict(cfg):
        cfg.output_dir, cfg.logger = directory, {}
        cfg.callbacks = {**cfg.callbacks, "console": None, "doctor": None, "cost": trial}
        cfg.trainer.check_val_every_n_epoch, cfg.trainer.fast_dev_run = 1, False
        if cfg.trainer.get("limit_val_batches") is None:
            cfg.trainer.limit_val_batches = _VALIDATION
        if processes > 1:
            cfg.trainer.devices, cfg.trainer.num_nodes, cfg.trainer.strategy = 1, 1, "auto"
    try:
        made = build(cfg, started=0.0)
        trainer = made.trainer
        words = failing_in_words(Path(directory), trainer=trainer, task=made.task, data=made.data)
        with words, limited_memory(trainer.strategy.root_device):
            trainer.fit(made.task, datamodule=made.training_data)
    finally:
        release_run_directory()
    found = next(callback for callback in trainer.callbacks if isinstance(callback, CostTrial))  # type: ignore[attr-defined]
    return found, {**found.facts(trainer), "device": trainer.strategy.root_device.type, "precision": trainer.precision}


def _processes(options: DictConfig, gpus: int) -> int:
    """Returns how many processes are going to train."""
    devices = options.get("devices", 1)
    if isinstance(devices, str):
        with suppress(ValueError):
            devices = int(devices)
    if devices in ("auto", -1, "-1"):
        devices = gpus if gpus and options.get("accelerator") in ("auto", "gpu", "cuda") else 1
    count = len(devices) if not isinstance(devices, int | str) else devices
    return max(1, int(count) if isinstance(count, int) else 1) * int(options.get("num_nodes") or 1)


def _lines(forecast: Forecast, waiting: float | None, facts: dict[str, Any]) -> Iterator[str]:
    frozen = forecast.parameters - forecast.trainable
    trained = f"{short(forecast.trainable)} trained, {short(frozen)} frozen" if frozen else "all trained"
    yield f"parameters   {short(forecast.parameters)}, {trained}"
    if forecast.forward is not None and forecast.backward is not None:
        size = forecast.length.batch_size
        forward, backward = short(forecast.forward, "FLOP"), short(forecast.backward, "FLOP")
        whole = short((forecast.forward + forecast.backward) * size, "FLOP")
        yield f"operations   {forward} a sample forward, {backward} backward"
        yield f"             {whole} a batch of {size}; without {NOT_COUNTED}"
    memory, peak = forecast.memory, forecast.memory.peak
    each = f" in each of {forecast.length.processes} processes" if forecast.length.processes > 1 else ""
    yield f"memory       {f'at most {megabytes(peak)} at once' if peak is not None else 'by part'}{each}"
    for name in ("weights", "gradients", "optimizer", "activations", "batch"):
        if (size_of := getattr(memory, name)) is not None:
            yield f"  {name:<12} {megabytes(size_of)}"
    yield from _time(forecast, waiting, facts)
    yield from (f"note: {note}" for note in forecast.notes)


def _time(forecast: Forecast, waiting: float | None, facts: dict[str, Any]) -> Iterator[str]:
    length, each = forecast.length, forecast.seconds_per_batch
    if each is None:
        yield "time         too short a run to be timed"
        return
    epoch, validation = forecast.seconds_per_epoch, forecast.seconds_per_validation
    if epoch is None:
        yield f"time         {duration(each)} a batch; the data have no end"
    else:
        parts = f"{length.batches:,.0f} batches of {duration(each)}"
        if validation is not None:
            parts += f", {duration(length.validations * validation)} of validation"
        yield f"time         {duration(epoch)} an epoch: {parts}"
    if forecast.seconds_in_all is not None:
        yield f"             {duration(forecast.seconds_in_all)} for {length.epochs:.4g} epochs"
    rate = length.batch_size * length.processes / each
    speed = [f"{short(rate)} samples/s"]
    if forecast.flops_per_sample is not None:
        speed.append(f"{short(rate * forecast.flops_per_sample, 'FLOP/s')}")
    if (mfu := facts.get("mfu")) is not None:
        speed.append(f"{mfu:.0%} of what the device can (MFU)")
    if waiting is not None:
        speed.append(f"{waiting:.0%} of the time waiting for data")
    yield f"speed        {', '.join(speed)} ({facts['device']}, {facts['precision']})"
    told = (
        "the device does not tell" if forecast.energy is None else f"{forecast.energy:.3g} Wh, {forecast.watts:.0f} W"
    )
    yield f"energy       {told}"
