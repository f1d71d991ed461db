"""Small files of texts for tests."""

import csv
import json
import random
from pathlib import Path

GOOD, BAD = ("fine", "lovely", "great", "warm"), ("dull", "awful", "poor", "cold")
OTHER = ("the", "film", "is", "and", "a", "story", "with", "actors", "very")


def samples(count: int = 60) -> list[tuple[str, str]]:
    """Texts of 3 to 12 words and their classes; a word of its class is in each."""
    draw = random.Random(0)
    found = []
    for row in range(count):
        label, words = ("good", GOOD) if row % 2 else ("bad", BAD)
        text = [draw.choice(OTHER) for _ in range(draw.randint(2, 11))]
        text.insert(draw.randint(0, len(text)), draw.choice(words))
        found.append((" ".join(text), label))
    return found


def write_csv(path: Path, rows: list[tuple[str, str]] | None = None, **options) -> Path:
    with path.open("w", newline="", encoding=options.pop("encoding", "utf-8")) as file:
        table = csv.writer(file, lineterminator="\n", **options)
        table.writerow(["review", "verdict"])
        table.writerows(samples() if rows is None else rows)
    return path


def write_json(path: Path, rows: list[tuple[str, str]] | None = None) -> Path:
    lines = [json.dumps({"review": text, "verdict": label}) for text, label in (samples() if rows is None else rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def with_text(row: int, text: str, label: str = "good") -> list[tuple[str, str]]:
    """The rows with one replaced; row 0 is the second line of a CSV file."""
    rows = samples()
    rows[row] = (text, label)
    return rows


def options(path: Path, *more: str) -> list[str]:
    """Of a run on a file that `write_csv` has written."""
    given = [f"data.path={path}", "data.text=review", "data.label=verdict", "data.batch_size=16"]
    return ["data=text_file", *given, "trainer=cpu", *more]
