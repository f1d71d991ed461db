"""A text that a language model continues, token by token.

Top-k: Angela Fan, Mike Lewis, Yann Dauphin, "Hierarchical Neural Story Generation", 2018, arXiv:1805.04833. Top-p: Ari
Holtzman et al., "The Curious Case of Neural Text Degeneration", 2019, arXiv:1904.09751.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from zoo.ranges import NonNegativeFloat, NonNegativeInt, PositiveInt, Range

Share = Annotated[float, Range(0, 1, open_minimum=True)]


@runtime_checkable
class Decoder(Protocol):
    """A language model that reads a text piece by piece."""

    training: bool

    def decode(self, tokens: Tensor, cache: Any | None = None) -> tuple[Tensor, Any]:
        """Returns the logits (B, V) of the token after the last of `tokens` (B, T), and what the next call needs."""

    def train(self, mode: bool = True) -> Any:
        """Switches between training and evaluation."""


def generate(
    model: Decoder,
    tokens: Int64[Tensor, "B T"],
    *,
    max_new_tokens: NonNegativeInt,
    temperature: NonNegativeFloat = 1.0,
    top_k: PositiveInt | None = None,
    top_p: Share | None = None,
    exclude: Sequence[int] = (),
    seed: NonNegativeInt = 0,
) -> Iterator[Int64[Tensor, " B"]]:
    """Continues texts; each token comes as soon as it is drawn.

    Args:
        model: is in evaluation while it is asked, and as before between two tokens.
        tokens: the beginnings, of one length, at least 1; on the model's device.
        max_new_tokens: how many tokens to draw.
        temperature: what logits are divided by: below 1 what is probable becomes more so; 0 takes the most probable.
        top_k: draws from the k most probable tokens alone.
        top_p: draws from the most probable tokens alone that together have this probability.
        exclude: tokens that are never drawn, such as the padding.
        seed: of the draws; the same seed gives the same texts.

    Returns:
        An iterator over the new tokens, those of all texts at once.

    Raises:
        ValueError: there is nothing to begin with, or an option is out of its range.
    """
    if tokens.shape[1] == 0:
        raise ValueError("prompt of 0 tokens: must have at least 1; begin with a line break, for example")
    if temperature < 0:
        raise ValueError(f"temperature {temperature}: must be at least 0; 0 takes the most probable token")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k {top_k}: must be at least 1; leave it out to draw from all tokens")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p {top_p}: must be above 0 to 1; leave it out to draw from all tokens")
    return _generate(model, tokens, max_new_tokens, temperature, top_k, top_p, list(exclude), seed)


def _generate(
    model: Decoder,
    tokens: Tensor,
    max_new_tokens: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    exclude: list[int],
    seed: int,
) -> Iterator[Tensor]:
    generator = torch.Generator(tokens.device).manual_seed(seed)
    cache = None
    for _ in range(max_new_tokens):
        training = model.training
        if training:
            model.train(False)
        try:
            with torch.inference_mode():
                logits, cache = model.decode(tokens, cache)
                logits[:, exclude] = -torch.inf
                drawn = sample(logits, temperature=temperature, top_k=top_k, top_p=top_p, generator=generator)
        finally:
            if training:
                model.train()
        yield drawn
        tokens = drawn.unsqueeze(1)


def sample(
    logits: Float[Tensor, "B V"],
    *,
    temperature: NonNegativeFloat = 1.0,
    top_k: PositiveInt | None = None,
    top_p: Share | None = None,
    generator: torch.Generator | None = None,
) -> Int64[Tensor, " B"]:
    """Draws a token from each row of logits; the options are those of `generate`, and the k come before the p."""
    if temperature == 0:
        return logits.argmax(dim=1)
    logits = logits.float() / temperature
    if top_k is not None and top_k < logits.shape[1]:
        least = logits.topk(top_k, dim=1).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    probabilities = logits.softmax(dim=1)
    if top_p is not None and top_p < 1:
        ordered, order = probabilities.sort(dim=1, descending=True)
        beyond = ordered.cumsum(dim=1) - ordered >= top_p  # what comes before has enough; the first is always kept
        probabilities = probabilities.scatter(1, order, ordered.masked_fill(beyond, 0.0))
    return probabilities.multinomial(1, generator=generator).squeeze(1)
