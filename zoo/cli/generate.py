"""Lets a language model write: a prompt, and what it makes of it, token by token."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from zoo.config.allowed import grant, granted
from zoo.config.check import OptionErrors, check
from zoo.config.entry import run
from zoo.errors import OptionError
from zoo.ranges import Range

if TYPE_CHECKING:
    from zoo.data.tokenizer import Tokenizer
    from zoo.models.generation import Decoder

_HELP = """\
usage: python -m zoo generate ckpt=RUN [prompt=TEXT] [max_new_tokens=500] [temperature=0.8] [top_k=N] [top_p=P]

{about}

  ckpt=RUN            a checkpoint of a language model, or the directory of a run
  prompt=TEXT         what the text begins with, taken as it is typed
  max_new_tokens=500  how many tokens are written
  temperature=0.8     0: always the most probable token; 1: as the model says
  top_k=N             draws from the N most probable tokens alone
  top_p=P             draws from the most probable tokens that together have the probability P
  seed=0              of what is drawn
  device=auto         cpu or cuda; auto: cuda where there is one
"""
_NUMBERS = {
    "max_new_tokens": ("an integer", Range(0)),
    "temperature": ("a number", Range(0)),
    "top_k": ("an integer", Range(1)),
    "top_p": ("a number", Range(0, 1, open_minimum=True)),
    "seed": ("an integer", Range(0)),
}
_MAY_BE_NULL = ("top_k", "top_p")


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit code.

    Args:
        arguments: options of `configs/generate.yaml`. The prompt is taken as it is typed, whatever it means to Hydra.
    """
    prompts = [argument for argument in arguments if argument.startswith("prompt=")]
    rest = [argument for argument in arguments if argument not in prompts]

    def write(cfg: DictConfig) -> None:
        _write(cfg, prompts[-1].partition("=")[2] if prompts else cfg.prompt)

    run(write, "generate", argv=["-m zoo generate", *rest])


def _write(cfg: DictConfig, prompt: str) -> None:
    options = _options(cfg)
    from zoo.callbacks.text_samples import continued  # torch is imported here, after the config has been found right

    model, tokenizer = _load(cfg)
    if unknown := tokenizer.unknown(prompt):
        shown = ", ".join(map(repr, unknown[:10])) + (f" and {len(unknown) - 10} more" if len(unknown) > 10 else "")
        what = "words" if tokenizer.kind == "words" else "characters"
        raise OptionError(
            "prompt", f"{shown} not among the {what} that the model has seen", "leave out what it has not"
        )
    try:
        print(prompt, end="", flush=True)
        for piece in continued(model, tokenizer, prompt, **options):
            print(piece, end="", flush=True)
        print(flush=True)
    except BrokenPipeError:  # the reader has seen enough, as in `| head`; the interpreter must not flush into it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _options(cfg: DictConfig) -> dict[str, Any]:
    """Returns how to draw.

    Raises:
        OptionError: a number is none, or out of its range.
    """
    for name, (kind, interval) in _NUMBERS.items():
        value = cfg[name]
        right = not isinstance(value, bool) and isinstance(value, int if kind == "an integer" else int | float)
        if not (right and value in interval) and not (value is None and name in _MAY_BE_NULL):
            raise OptionError(name, f"{value} given", f"must be {kind}, {interval}")
    return {name: cfg[name] for name in _NUMBERS}


def _load(cfg: DictConfig) -> "tuple[Decoder, Tokenizer]":
    """Returns the language model of a checkpoint, ready to write, and its tokenizer.

    Raises:
        OptionError: the checkpoint is not of a language model.
    """
    import torch

    from zoo.build import build_model
    from zoo.checkpoint import find_checkpoint, load_checkpoint
    from zoo.data.tokenizer import load_tokenizer
    from zoo.models.generation import Decoder

    path = find_checkpoint(cfg.ckpt, option="ckpt")
    checkpoint = load_checkpoint(path, option="ckpt")
    saved = checkpoint["zoo"]
    model_cfg = OmegaConf.create({"model": saved["config"]["model"], "pretrained": None, "allow": list(granted(cfg))})
    grant(model_cfg, granted(cfg))
    if errors := check(model_cfg):
        raise OptionErrors(errors)
    state = saved["preprocessing"].get("tokenizer_state")
    model = build_model(model_cfg) if state is not None else None
    if model is None or not isinstance(model, Decoder):
        target = str(saved["config"]["model"]["_target_"]).rpartition(".")[2]
        raise OptionError("ckpt", f"{path} holds a {target}, which continues no text", "give one of a language model")
    weights = {name: value for name, value in checkpoint["state_dict"].items() if name.startswith("model.")}
    model.load_state_dict({name.removeprefix("model."): value for name, value in weights.items()})
    has_gpu = torch.cuda.is_available()
    if cfg.device not in ("auto", "cpu", "cuda") or (cfg.device == "cuda" and not has_gpu):
        problem = "no GPU is to be found here" if cfg.device == "cuda" else f"unknown choice {cfg.device}"
        raise OptionError("device", problem, "set device=cpu or device=auto")
    return model.to("cuda" if has_gpu and cfg.device != "cpu" else "cpu").eval(), load_tokenizer(state)
