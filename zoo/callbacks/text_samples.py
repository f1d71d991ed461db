"""What a language model writes, for a person to read: in TensorBoard while it learns, in a file when it is judged."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy

from zoo.callbacks.tensorboard import TensorBoard
from zoo.files import replacing
from zoo.models.generation import Decoder, generate
from zoo.ranges import NonNegativeFloat, NonNegativeInt, PositiveInt

_SPECIAL = (0, 1)  # padding and what is unknown, which are no part of any text
_FIRST = 2  # any other token


class TextSamples(Callback):
    """Lets a language model continue a prompt after each validation of a fit, with the same draws each time.

    Any other model is left alone.

    Args:
        prompt: what the text begins with.
        max_new_tokens: how long it is.
        temperature: 0 takes the most probable token; 1 draws as the model says.
        seed: of the draws.
    """

    def __init__(
        self,
        *,
        prompt: str = "\n",
        max_new_tokens: PositiveInt = 200,
        temperature: NonNegativeFloat = 0.8,
        seed: NonNegativeInt = 0,
    ) -> None:
        self.prompt, self.max_new_tokens, self.temperature, self.seed = prompt, max_new_tokens, temperature, seed

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes a text to TensorBoard as `report/sample`."""
        loggers = [logger for logger in trainer.loggers if isinstance(logger, TensorBoard)]
        if not loggers or trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        if (text := self.text(trainer, pl_module)) is not None:
            for logger in loggers:
                logger.log_text("val/report/sample", as_markdown(text), trainer.global_step)

    def text(self, trainer: Trainer, pl_module: LightningModule) -> str | None:
        """Returns the prompt and what the model makes of it; None where it is no language model, or on other ranks."""
        model: Any = pl_module.model
        tokenizer = getattr(getattr(trainer, "datamodule", None), "tokenizer", None)
        whole = isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy)  # the others have it in parts
        if not (trainer.is_global_zero and whole and getattr(pl_module, "continues_text", False)):
            return None
        if tokenizer is None or not isinstance(model, Decoder):
            return None
        options = {"max_new_tokens": self.max_new_tokens, "temperature": self.temperature, "seed": self.seed}
        drawn = continued(model, tokenizer, self.prompt, **options)
        return "".join([self.prompt, *drawn])


class TextReport(TextSamples):
    """Writes a longer text of a language model to `sample.txt` after a test, or a validation that stands in for one.

    Args:
        directory: where the file is written; made if need be.
        max_new_tokens: how long it is.
    """

    def __init__(self, directory: str | Path, *, max_new_tokens: PositiveInt = 1000) -> None:
        super().__init__(max_new_tokens=max_new_tokens)
        self.directory = Path(directory)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the text, unless training goes on."""
        if trainer.state.fn == "validate":
            self.on_test_end(trainer, pl_module)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the text."""
        if (text := self.text(trainer, pl_module)) is not None:
            self.directory.mkdir(parents=True, exist_ok=True)
            with replacing(self.directory / "sample.txt") as file:
                file.write(f"{text.lstrip()}\n".encode())


def continued(model: Decoder, tokenizer: Any, prompt: str, **options: Any) -> Iterator[str]:
    """Yields what a language model makes of a prompt, as it comes.

    Args:
        model: in evaluation or not, on any device.
        tokenizer: that it was trained with.
        prompt: of characters that the tokenizer knows; an empty one stands for a line break.
        **options: of `zoo.models.generation.generate`.
    """
    tokens = tokenizer.encode(prompt) or [token for token in tokenizer.encode("\n") if token not in _SPECIAL]
    device = next(model.parameters()).device  # type: ignore[attr-defined]
    start = torch.tensor([tokens or [_FIRST]], device=device)
    drawn = generate(model, start, exclude=_SPECIAL, **options)
    if tokenizer.joiner and prompt and not prompt[-1].isspace():
        yield tokenizer.joiner
    yield from tokenizer.stream(int(token) for token in drawn)


def as_markdown(text: str) -> str:
    """Returns a text as Markdown that shows it as it is, with its line breaks: four blanks before each line."""
    return "\n".join(f"    {line}" for line in text.strip("\n").split("\n"))
