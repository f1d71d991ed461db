"""Finds the checkpoint that a run goes on from, and refuses to go on with other options than it was made with."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from zoo.checkpoint import FORMAT, find_checkpoint, newest_checkpoint
from zoo.config.check import OptionErrors
from zoo.config.secrets import public
from zoo.errors import OptionError

# What the weights of a run depend on, and within it what they do not.
_SECTIONS = ("seed", "data", "model", "task", "optimizer", "scheduler", "finetune")
_FREE = {"num_workers", "device_cache", "data_dir", "root", "on_bad_sample", "path"}
_TRAINER = ("accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm", "overfit_batches", "precision")
_REMEDY = (
    "repeat the run's own option, go on with this one by allow_changes=true, or start anew from its weights alone by "
    "init_from=PATH"
)


@dataclass
class Resumed:
    """A checkpoint that a run goes on from.

    Attributes:
        path: its file.
        checkpoint: its content.
    """

    path: Path
    checkpoint: dict[str, Any]


def find_resumed(cfg: DictConfig) -> Resumed | None:
    """Returns the newest valid checkpoint of the run that `resume` names; what is damaged is named.

    Returns:
        None where nothing is to be resumed, or the run has not saved anything yet.

    Raises:
        OptionError: there is no such run.
        StorageError: its checkpoints are damaged, all of them.
    """
    if not cfg.resume:
        return None
    if cfg.resume == "auto":
        if not cfg.output_dir:
            raise OptionError("resume", "auto asks for the run's directory", "add output_dir=PATH, or set resume=PATH")
        found = newest_checkpoint(Path(cfg.output_dir).expanduser() / "checkpoints")
    else:
        path = find_checkpoint(cfg.resume, option="resume", prefer="last.ckpt")
        found = newest_checkpoint(path.parent, path)
    if found is None:
        return None
    path, checkpoint, damaged = found
    for problem in damaged:
        print(problem, file=sys.stderr)
    if damaged:
        print(f"going on from {path}", file=sys.stderr)
    if checkpoint["zoo"].get("format") != FORMAT or "loops" not in checkpoint:
        problem = f"{path} holds no state of a run that this version of zoo can go on from"
        raise OptionError("resume", problem, "start anew from its weights by init_from=")
    return Resumed(path, checkpoint)


def check_resumable(cfg: DictConfig, checkpoint: Mapping[str, Any], *, fingerprint: str) -> None:
    """Compares what the weights of a run depend on with the checkpoint that it goes on from.

    Args:
        cfg: the config, with the facts of the data.
        checkpoint: what the run goes on from.
        fingerprint: of the data.

    Raises:
        OptionErrors: something differs, and `allow_changes` is not set; both values are named.
    """
    saved, here = checkpoint["zoo"]["config"], _relevant(public(cfg))
    saved = {"finetune": public(cfg).get("finetune"), **saved}  # older runs do not say
    differences = list(_differences(_relevant(saved), here))
    if (found := checkpoint["zoo"]["data_fingerprint"]) != fingerprint:
        differences.append(("data", f"fingerprint {found[:12]}", f"fingerprint {fingerprint[:12]}"))
    if cfg.allow_changes:
        for where, before, now in differences:
            if where == "optimizer._target_":
                raise OptionError(
                    where, f"{before} in the checkpoint, {now} here", "start from its weights: init_from="
                )
            print(f"{where}: {before} in the checkpoint, {now} from here on", file=sys.stderr)
        _move(checkpoint, saved["data"].get("batch_size"), cfg.data.get("batch_size"))
    elif differences:
        raise OptionErrors(
            [
                OptionError(where, f"{before} in the checkpoint, but {now} here", _REMEDY)
                for where, before, now in differences
            ]
        )


def check_weights(checkpoint: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Refuses a model, though other options may change, that the weights of the checkpoint do not fit.

    Args:
        checkpoint: what the run goes on from.
        state: `state_dict` of the task.

    Raises:
        OptionError: it does not fit; the first weights that differ are named.
    """
    before, now = (
        {name: list(t.shape) for name, t in weights.items()} for weights in (checkpoint["state_dict"], state)
    )
    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            shapes = f"{before.get(name, 'nothing')} in the checkpoint, but {now.get(name, 'nothing')} here"
            raise OptionError("model", f"{name} is {shapes}", "start from the weights that fit: init_from=")


def check_processes(cfg: DictConfig, checkpoint: Mapping[str, Any], num_processes: int) -> None:
    """Refuses another number of processes, each of which has batches of its own, unless options may change.

    Raises:
        OptionError: the number differs.
    """
    before = checkpoint["zoo"]["world_size"]
    if before != num_processes and not cfg.allow_changes:
        problem = f"{before} processes in the checkpoint, but {num_processes} here"
        raise OptionError("trainer.devices", problem, _REMEDY)


def _move(checkpoint: Mapping[str, Any], before: int | None, now: int | None) -> None:
    """Counts the batches that are done of an epoch in those of another size, so that few samples come twice."""
    if before and now and before != now:
        position = checkpoint["loops"]["fit_loop"]["epoch_loop.state_dict"]["position"]
        position["batch"] = position["batch"] * before // now


def _relevant(config: Any) -> dict[str, Any]:
    """Returns what the weights depend on, as the values of one flat mapping."""
    parts = {section: config.get(section) for section in _SECTIONS}
    parts["trainer"] = {name: config["trainer"].get(name) for name in _TRAINER}
    callbacks: Mapping[str, Any] = config.get("callbacks") or {}
    parts["callbacks"] = {name: node for name, node in callbacks.items() if node and _changes_training(node)}
    return dict(_flat(parts, ""))


def _changes_training(node: Mapping[str, Any]) -> bool:
    """Whether a callback is one of Lightning's, which average weights or end a run; all others only watch and save."""
    return str(node.get("_target_", "")).startswith("lightning.")


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key not in _FREE:
                yield from _flat(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        yield path, list(value)
    else:
        yield path, value


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    seeds = before.get("seed"), now.get("seed")
    for path in {**before, **now}:
        values = before.get(path), now.get(path)
        if values[0] != values[1] and not (path.endswith(".seed") and values == seeds):  # those stand for `seed`
            yield path, *values
