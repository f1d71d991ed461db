"""A language model of seconds: a text of few words, and the options of a run on it."""

from pathlib import Path

LINE = "the quick brown fox jumps over the lazy dog, number {}.\n"


def write_text(folder: Path, lines: int = 200) -> Path:
    path = folder / "text.txt"
    path.write_text("".join(LINE.format(number) for number in range(lines)))
    return path


def options(text: Path, *more: str) -> list[str]:
    """Of a run that learns a little in three epochs of seven batches, each validated on three."""
    return [
        "data=text_corpus",
        f"data.path={text}",
        f"data.cache_dir={text.parent / 'cache'}",
        "data.context_length=16",
        "data.batch_size=16",
        "data.windows_per_epoch=112",
        "data.eval_batch_size=24",
        "model=lstm",
        "model.hidden_size=32",
        "model.num_layers=1",
        "optimizer.lr=0.05",
        "trainer=cpu",
        "trainer.max_epochs=3",
        "trainer.log_every_n_steps=1",
        *more,
    ]
