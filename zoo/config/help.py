"""What `--help` prints. It reads folder names instead of composing: Hydra's own help takes 0.7 s."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

_TEXT = """\
usage: python {program} [GROUP=CHOICE ...] [KEY=VALUE ...] [FLAG ...]

{about}

Groups ({config_dir}/GROUP/CHOICE.yaml; * is the default):
{groups}

Options:
{options}
  GROUP.KEY=VALUE      an argument of the class that the group's choice names: optimizer.lr=0.01
                       Every name, type and range is checked before the run starts.

Flags:
  --cfg job            print the composed config and stop; --package NODE prints one node, --resolve fills in ${{...}}
  -m, --multirun       run every combination: -m model=mlp,lenet optimizer.lr=1e-3,1e-2
  --config-dir DIR     look for configs in DIR too
  --info, --hydra-help how Hydra finds and composes configs

Examples:
{examples}
"""
_ABOUT = {
    "train": "Trains a model. Without arguments: a small CNN on handwritten digits, in less than a minute.\n"
    "A run's files (config, checkpoints, metrics, TensorBoard events) go to logs/<task>/<name>/<date_time>/,\n"
    "or to output_dir=PATH.",
    "evaluate": "Judges a checkpoint, which is all it needs: it carries the config.\n"
    "Metrics, predictions and pictures go to evaluation/ beside the checkpoint, or to output_dir=PATH.",
    "generate": "Lets a language model write: a prompt, and what it makes of it, token by token.\n"
    "The prompt is taken as it is typed; an empty one lets the model begin.",
}
_EXAMPLES = {
    "train": [
        ("", "the default run"),
        ("model=MODEL data=DATA", "another model, another data set"),
        ("experiment=EXPERIMENT", "a recipe with a measured result"),
        ("optimizer=sgd optimizer.lr=0.1", "another optimizer, and one of its arguments"),
        ("trainer.max_epochs=3 seed=1", "arguments of the trainer, options of the run"),
        ("callbacks.early_stopping.patience=3 callbacks=[default,early_stopping]", "choices that add up"),
        ("resume=auto output_dir=PATH", "go on where a run was stopped"),
    ],
    "evaluate": [
        ("ckpt=RUN_DIRECTORY", "the best checkpoint of a run, on the data it was trained for"),
        ("ckpt=best.ckpt data.batch_size=256", "one checkpoint, with another batch size"),
    ],
    "generate": [
        ('ckpt=RUN_DIRECTORY prompt="ROMEO:"', "500 tokens from the best checkpoint of a run"),
        ("ckpt=RUN_DIRECTORY temperature=1 top_p=0.9 seed=1", "other draws"),
    ],
}


def help_text(program: str, config_name: str, config_dir: Path, groups: Mapping[str, Sequence[str]]) -> str:
    """Returns the help of an entry point.

    Args:
        program: the script's name as typed.
        config_name: name of the primary config.
        config_dir: where the configs lie.
        groups: the config groups and their choices; those of which the primary config chooses are shown.
    """
    path = config_dir / f"{config_name}.yaml"
    primary = path.read_text(encoding="utf-8") if path.is_file() else ""
    defaults = dict(re.findall(r"^ +- (?:optional )?/?([\w@/]+): *\[?([\w/, ]+?)\]? *(?:#.*)?$", primary, re.MULTILINE))
    chosen = {group: choices for group, choices in groups.items() if group in defaults}
    lines = [line for group, choices in chosen.items() for line in _group(group, choices, defaults[group])]
    examples = [
        f"  {what + ':':<50} python {program} {arguments}".rstrip()
        for arguments, what in _EXAMPLES.get(config_name, [])
    ]
    return _TEXT.format(
        program=program,
        about=_ABOUT.get(config_name, ""),
        config_dir=config_dir.name,
        groups="\n".join(lines),
        options="\n".join(_options(primary)),
        examples="\n".join(examples),
    )


def _group(group: str, choices: Sequence[str], default: str) -> list[str]:
    marked = [f"{choice}*" if choice in default.split(", ") else choice for choice in choices]
    indent = " " * 17
    wrapped = textwrap.wrap(", ".join(marked), 100, initial_indent=indent, subsequent_indent=indent)
    return [f"  {group:<14} {wrapped[0].strip()}", *wrapped[1:]] if wrapped else []


def _options(primary: str) -> list[str]:
    """Returns the scalar options of the primary config, with the comments that stand beside them."""
    found = re.findall(r"^(\w+): *([^#\n]*?) *(?:# *(.*))?$", primary, re.MULTILINE)
    return [f"  {key + '=' + value:<20} {comment}".rstrip() for key, value, comment in found if value]
