"""Tokens that a GPT draws with its cache, against reading the whole text anew for each.

Both sides continue one token by 512, on one thread, with the model that Tiny Shakespeare's GPT has, and draw from all
65 characters. They take turns for several rounds. The cost of a token is flat if the last 64 take as long as the first
64, without the very first.

    python benchmarks/generation.py [--rounds 5]
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from zoo.models.generation import generate, sample
from zoo.models.transformer.gpt import GPT

VOCAB_SIZE, TOKENS = 65, 512
OPTIONS = {
    "gpt2": {},
    "llama": {"positions": "rotary", "norm": "rms", "activation": "swiglu", "num_kv_heads": 2, "bias": False},
}


@torch.inference_mode()
def without_cache(model: GPT, tokens: Tensor) -> Iterator[Tensor]:
    """Yields tokens, each drawn after the whole text was read."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(TOKENS):
        drawn = sample(model(tokens)[:, -1], generator=generator)
        tokens = torch.cat([tokens, drawn[:, None]], dim=1)
        yield drawn


def seconds(tokens: Iterator[Tensor]) -> list[float]:
    """Returns the seconds that each token took."""
    marks = [time.perf_counter()]
    for _ in tokens:
        marks.append(time.perf_counter())
    return [after - before for before, after in pairwise(marks)]


def main() -> None:
    """Prints microseconds a token of both sides, their ratio, and how flat the cost is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    start = torch.ones(1, 1, dtype=torch.int64)
    for name, options in OPTIONS.items():
        torch.manual_seed(0)
        model = GPT(VOCAB_SIZE, context_length=TOKENS, **options).eval()
        ratios, flat, cached = [], [], []
        for _ in range(arguments.rounds):
            anew = seconds(without_cache(model, start))
            kept = seconds(generate(model, start, max_new_tokens=TOKENS))
            cached.append(sum(kept) / TOKENS)
            ratios.append(sum(anew) / sum(kept))
            flat.append(statistics.median(kept[-64:]) / statistics.median(kept[1:65]))
        print(
            f"{name}: {statistics.median(cached) * 1e6:.0f} us a token with the cache, "
            f"ratio: {statistics.median(ratios):.1f} (from {min(ratios):.1f} to {max(ratios):.1f}; bar 5), "
            f"last 64 against first 64: {statistics.median(flat):.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
