"""Pairs of texts on disk, to write words backwards, and the options of runs on them."""

import random
from pathlib import Path


def samples(count: int = 60) -> list[tuple[str, str]]:
    draw = random.Random(0)
    words = {"".join(draw.choices("abcdef", k=draw.randint(2, 6))) for _ in range(3 * count)}
    return [(word, word[::-1]) for word in sorted(words)[:count]]


def write_tsv(path: Path, rows: list[tuple[str, str]] | None = None, *, encoding: str = "utf-8") -> Path:
    lines = ["word\tbackwards", *("\t".join(row) for row in (samples() if rows is None else rows))]
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    return path


def options(path: Path, *more: str) -> list[str]:
    """Of a run on a file that `write_tsv` has written."""
    given = [f"data.path={path}", "data.source=word", "data.target=backwards", "data.batch_size=16"]
    model = ["model.hidden_size=16", "model.embed_dim=8"]
    return ["data=text_pairs", *given, *model, "trainer=cpu", *more]
