"""Takes the regularisers of a run out, one by one and over several seeds: what each is worth on these data."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from zoo.cli._ablation_report import report, title
from zoo.cli._ablation_runs import FULL, Variant, folder_of, option_of_path, train_all
from zoo.config.command_line import option_of, parse
from zoo.config.compose import CONFIG_DIR, compose
from zoo.config.entry import run
from zoo.config.many_seeds import seeds_of
from zoo.config.regularisers import FINDERS, removals
from zoo.config.requeue import note_job
from zoo.config.run_directory import release_run_directory, run_directory
from zoo.config.suggest import suggestion
from zoo.errors import OptionError, StorageError
from zoo.files import replacing

_HELP = """\
usage: python -m zoo ablate [KEY=VALUE ...] [over=auto] [seeds=3] [output_dir=FOLDER]

{about}

  KEY=VALUE          the options of train.py, whose run it is: data=..., model=..., experiment=...
  over=auto          all regularisers that are on, or those of a list: over=[dropout,weight_decay]
  seeds=3            how many runs of each, or a list of seeds: seeds=[0,7,9]
  output_dir=FOLDER  where the runs, ablation.csv and ablation.png are written; logs/ablate/... without it

Regularisers: {names}.

Runs of one seed see the same samples in the same order, so that differences are taken seed by seed. The same command
again goes on in its output_dir: what has ended is not repeated, and more seeds or regularisers come on top.
"""
_OWN = {"seed", "seeds", "output_dir", "resume", "debug", "check"}  # options that may differ from call to call
_OPTIONS = "ablation.yaml"


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit code.

    Args:
        arguments: `over`, and overrides of the config of training.
    """
    if not arguments or {"--help", "-h"} & set(arguments):
        print(_HELP.format(about=(__doc__ or "").strip(), names=", ".join(FINDERS)), end="")
        return 0
    over = [argument for argument in arguments if option_of(argument)[0] == "over"]
    rest = [argument for argument in arguments if argument not in over]
    if not any(option_of(argument)[0] == "seeds" for argument in rest):
        rest.append("seeds=3")
    run(lambda cfg: _ablate(cfg, over, rest), "train", argv=["-m zoo ablate", *rest])


def _ablate(cfg: DictConfig, over: Sequence[str], arguments: Sequence[str]) -> None:
    if cfg.resume not in (None, "auto"):  # what has ended is never repeated
        raise OptionError("resume", "an ablation goes on by itself", "repeat its command with its output_dir")
    seeds, flags = seeds_of(cfg), _flags(arguments)
    if not seeds:
        raise OptionError("seeds", "is null", "set seeds=3 or seeds=[0,7,9]")
    hydra = HydraConfig.get()  # now: composing another config replaces it
    typed: Any = OmegaConf.to_container(hydra.overrides.task, resolve=False)
    options = [option for option in typed if option_of(option)[0] not in _OWN]
    name = _name(hydra.runtime.choices, cfg)
    found = removals(cfg)
    removed: dict[str, list[str]] = {FULL: []} | {name: found[name] for name in _chosen(over, found)}
    commands = {name: _options_of(options, overrides) for name, overrides in removed.items()}
    folders = [flags[flag] for flag in ("--config-dir",) if flag in flags]
    for command in commands.values():
        compose(command, config_dir=flags.get("--config-path", CONFIG_DIR), more_dirs=folders)
    print(f"{len(seeds)} seeds of {len(removed)} variants, {len(seeds) * len(removed)} runs:")
    width = max(map(len, map(title, removed)))
    for variant, overrides in removed.items():
        print(f"  {title(variant):<{width}}  {' '.join(overrides) or '(as it is)'}", flush=True)
    if cfg.check:
        print("the config is right; start the ablation without check=true")
        return
    directory = run_directory(
        logs_dir=cfg.paths.logs_dir, task="ablate", name=name, chosen=cfg.output_dir, resuming=True
    )
    try:
        _note(directory, options, removed)
        note_job(cfg.paths.logs_dir, directory, typed)
        words = [part for flag in flags.items() for part in flag]
        again = _again(options, seeds, over, [option_of_path("output_dir", directory), *words])
        variants = {name: Variant(name, directory / folder_of(name), [*words, *commands[name]]) for name in removed}
        failed = train_all(list(variants.values()), seeds, again=again)
        report(directory, removed, seeds, failed=failed, options=options, again=again)
    finally:
        release_run_directory()


def _flags(arguments: Sequence[str]) -> dict[str, str]:
    """Returns where configs lie, if the command line says so."""
    flags, names = parse(arguments).flags, ("--config-dir", "--config-path")
    return {name: str(Path(value).resolve()) for name, value in flags.items() if name in names}


def _name(choices: Mapping[str, Any], cfg: DictConfig) -> str:
    """Returns the name of the experiment, or of data and model."""
    groups = ["experiment"] if choices.get("experiment") else ["data", "model"]
    chosen = [choices.get(group) or choices.get(f"{group}@_global_.{group}") for group in groups]
    return re.sub(r"[^\w.-]+", "_", "-".join(str(choice) for choice in chosen if choice)) or "run"


def _chosen(over: Sequence[str], found: Mapping[str, Sequence[str]]) -> list[str]:
    """Returns the regularisers to take out, and says of which there is nothing.

    Raises:
        OptionError: one is unknown, or all are off.
    """
    text = option_of(over[-1])[1].strip("[]() ") if over else "auto"
    names = list(dict.fromkeys(name for part in text.split(",") if (name := part.strip(" '\""))))
    if unknown := [name for name in names if name not in found and name != "auto"]:
        raise OptionError("over", f"unknown regulariser {unknown[0]}", suggestion(unknown[0], found, "regularisers"))
    on = [name for name, overrides in found.items() if overrides]
    if "auto" in names:
        names = on
    chosen = [name for name in names if name in on]
    if not chosen:
        problem = f"{', '.join(names) or 'nothing'}: off in this run" if names else "no regulariser is on in this run"
        raise OptionError("over", problem, f"what is on: {', '.join(on) or 'no regulariser'}")
    for name in names:
        if name not in on:
            print(f"{name}: off in this run, there is nothing to take out")
    return chosen


def _options_of(options: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """Returns the options of a variant; what it sets or deletes itself is not given twice."""
    own = {option_of(override)[0] for override in overrides}
    return [*(option for option in options if option_of(option)[0] not in own), *overrides]


def _note(directory: Path, options: Sequence[str], removed: Mapping[str, Sequence[str]]) -> None:
    """Writes what is compared into the directory, so that nothing else comes into it.

    Raises:
        OptionError: there is something else already.
    """
    path = directory / _OPTIONS
    before: dict[str, Any] = {}
    if path.exists():
        before = yaml.safe_load(path.read_text())
    elif any(file.name != ".lock" for file in directory.iterdir()):
        raise OptionError("output_dir", f"{directory} holds something else", "choose another directory")
    runs = before.get("runs", {})
    changed = [*_changed(before.get("options", options), options)]
    changed += [" ".join(runs[name]) for name in removed if list(removed[name]) != runs.get(name, removed[name])]
    if changed:
        problem = f"{directory} holds an ablation of other options ({', '.join(changed)})"
        raise OptionError("output_dir", problem, "repeat its command, or choose another directory")
    text = yaml.safe_dump({"options": list(options), "runs": {**runs, **{k: list(v) for k, v in removed.items()}}})
    try:
        with replacing(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise StorageError(str(path), f"cannot be written ({error.strerror})", "make room") from error


def _changed(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Returns the options that are not the same, as they were before or else as they are now."""
    old, new = dict(map(option_of, before)), dict(map(option_of, now))
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return [f"{name}={old[name]}" if name in old else f"no {name}" for name in names]


def _again(options: Sequence[str], seeds: Sequence[int], over: Sequence[str], words: Sequence[str]) -> str:
    """Returns the command that goes on with this ablation."""
    kept = [option.lstrip("+") for option in options]
    return shlex.join(["python", "-m", "zoo", "ablate", *kept, *over, *words, f"seeds=[{','.join(map(str, seeds))}]"])
