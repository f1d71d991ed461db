"""The training step of language models, all services on, against loops written by hand on the same network.

The sides take turns in two processes. The bare loop holds the tokens in one tensor, cuts a batch of windows by one
index, and steps AdamW in its default implementation, clipping and logging nothing. The loop in the manner of nanoGPT
draws the places of its windows at random out of a file in memory, stacks them one by one, clips the gradient and reads
the loss every tenth step. The bare recurrent network is an embedding, `torch.nn.LSTM` and a linear layer. The zoo's
side is `zoo.build` with its default callbacks and loggers. Tokens a second have the ratio of the steps, whose batches
are equal.

    python benchmarks/sequence_step.py [--only gpt|gpt-nanogpt|lstm] [--rounds 5]
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from interleaved import compare_chosen, seconds_a_step
from omegaconf import open_dict
from torch import Tensor, nn
from torch.nn import functional

from zoo.config.construct import construct
from zoo.config.entry import compose

CONTEXT, BATCH, VOCABULARY = 64, 32, 67
STEPS, EPOCHS = 40, 2  # of an epoch; epochs counted, after the first
TEXT = "".join(chr(33 + place * place % (VOCABULARY - 2)) for place in range(1_000_003 // 4))


class BareLSTM(nn.Module):
    """What one writes by hand: an embedding, torch's LSTM, a linear layer."""

    def __init__(self, hidden_size: int = 256, num_layers: int = 2) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, hidden_size)
        self.lstm = nn.LSTM(hidden_size, hidden_size, num_layers, batch_first=True)
        self.head = nn.Linear(hidden_size, VOCABULARY)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (B, T, V) of tokens (B, T)."""
        logits: Tensor = self.head(self.lstm(self.embedding(tokens))[0])
        return logits


def windows(tokens: Tensor, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches in a random order, each cut by one index."""
    cut = tokens.unfold(0, CONTEXT + 1, CONTEXT)
    order = torch.randperm(len(cut))
    for step in range(steps):
        chosen = cut[order[torch.arange(step * BATCH, (step + 1) * BATCH) % len(cut)]]
        yield chosen[:, :-1], chosen[:, 1:]


def stacked(tokens: np.ndarray[Any, Any], steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches at random places, stacked sample by sample."""
    for _ in range(steps):
        places = torch.randint(len(tokens) - CONTEXT, (BATCH,))
        inputs = [torch.from_numpy(tokens[place : place + CONTEXT].astype(np.int64)) for place in places]
        targets = [torch.from_numpy(tokens[place + 1 : place + 1 + CONTEXT].astype(np.int64)) for place in places]
        yield torch.stack(inputs), torch.stack(targets)


@dataclass
class Case:
    """One comparison.

    Attributes:
        model: overrides that choose the network.
        bar: the ratio to reach.
        bare: makes the network of the bare side; None for the zoo's own.
        in_manner_of_nanogpt: whether the bare side is that loop.
    """

    model: list[str]
    bar: float
    bare: Callable[[], nn.Module] | None = None
    in_manner_of_nanogpt: bool = False


GPT = ["model=gpt"]
CASES = {
    "gpt": Case(GPT, 0.97),
    "gpt-nanogpt": Case(GPT, 1.0, in_manner_of_nanogpt=True),
    "lstm": Case(["model=lstm", "model.dropout=0"], 0.97, bare=BareLSTM),
}


def config(case: Case, directory: str) -> Any:
    """The config of the zoo's side."""
    clip = ["trainer.gradient_clip_val=1.0"] if case.in_manner_of_nanogpt else []
    return compose(
        [
            "data=text_corpus",
            f"data.path={directory}/text.txt",
            f"data.cache_dir={directory}/cache",
            f"data.context_length={CONTEXT}",
            f"data.batch_size={BATCH}",
            f"data.windows_per_epoch={STEPS * BATCH}",
            f"output_dir={directory}/run",
            f"trainer.max_epochs={EPOCHS + 1}",
            "trainer.limit_val_batches=0",
            "trainer=cpu",
            "optimizer=adamw",
            *clip,
            *case.model,
        ]
    )


def zoo_seconds(name: str) -> float:
    """Seconds a step of the zoo."""
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "text.txt").write_text(TEXT)
        return seconds_a_step(config(CASES[name], directory), time.perf_counter)


def bare_seconds(name: str) -> float:
    """Seconds a step of the loop written by hand."""
    torch.set_num_threads(2)
    case = CASES[name]
    cfg = config(case, "")
    with open_dict(cfg.data):
        cfg.data.vocab_size = VOCABULARY
    model = case.bare() if case.bare is not None else construct(cfg.model, "model")
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
    tokens = torch.tensor([ord(letter) - 31 for letter in TEXT])
    stored = tokens.numpy().astype(np.uint16)
    started, loss = 0.0, torch.zeros(())
    for epoch in range(EPOCHS + 1):
        if epoch == 1:
            started = time.perf_counter()
        batches = stacked(stored, STEPS) if case.in_manner_of_nanogpt else windows(tokens, STEPS)
        for step, (inputs, targets) in enumerate(batches):
            loss = functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
            optimizer.zero_grad()
            loss.backward()
            if case.in_manner_of_nanogpt:
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            if case.in_manner_of_nanogpt and step % 10 == 0:
                loss.item()
    return (time.perf_counter() - started) / (EPOCHS * STEPS)


if __name__ == "__main__":
    compare_chosen(__doc__, bare_seconds, zoo_seconds, {name: case.bar for name, case in CASES.items()})
