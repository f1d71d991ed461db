"""`report.html`: a run in one file that needs nothing else, neither network nor the run."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.callbacks.figures import DPI
from zoo.files import replacing
from zoo.report import words
from zoo.report.card import card
from zoo.report.curves import draw_curves
from zoo.report.files import RunFiles, read_files, read_table
from zoo.report.intervals import intervals
from zoo.report.statistics import Interval

_LARGE = 400_000  # bytes of a picture from which on it is packed
_CSS_DPI = 96
_WIDEST = 1600  # pixels
_WRITTEN = 2000  # characters
_ROWS, _CELL = 15, 180  # of tables that are shown
_FIRST = ("worst", "forecast", "samples", "confusion", "reliability")  # pictures in the order of their interest
_SHOWN = {"worst_mistakes": "confidence", "per_class": "f1", "baselines": "", "worst_texts": ""}


def write_report(path: Path) -> list[Path]:
    """Writes `report.html` and `model_card.md` into the directory of a run, from the files there alone.

    Args:
        path: directory of a run, or of an evaluation.

    Returns:
        The files.

    Raises:
        DataError: it is neither.
        OSError: they cannot be written.
    """
    run = read_files(path)
    between = intervals(run)
    texts = {"report.html": page(run, between), "model_card.md": card(run, between)}
    for name, text in texts.items():
        with replacing(path / name) as file:
            file.write(text.encode())
    return [path / name for name in texts]


def page(run: RunFiles, between: Mapping[str, Interval]) -> str:
    """Returns the report as HTML.

    Args:
        run: the run.
        between: 95 % intervals of metrics.
    """
    import jinja2

    template = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
    curves, config = draw_curves(run), run.path / "config.yaml"
    return (
        jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
        .from_string(template)
        .render(
            title=words.title(run),
            summary=_summary(run),
            tiles=_tiles(run, between),
            verdicts=run.verdicts,
            model=words.model_rows(run),
            data=words.data_rows(run),
            curves=None if curves is None else _inline(_png(curves)),
            metrics=words.metric_columns(run, between),
            about_intervals=_about(between),
            pictures=_pictures(run),
            tables=[
                *_wrong(run),
                *(_table(run.tables[name], key) for name, key in _SHOWN.items() if name in run.tables),
            ],
            written=_written(run.path),
            costs=words.cost_rows(run),
            commands=words.commands(run),
            environment=words.environment_rows(run),
            config=config.read_text(encoding="utf-8", errors="replace") if "config.yaml" not in run.missing else "",
            missing=run.missing,
        )
    )


def _summary(run: RunFiles) -> str:
    status, directory = run.metrics.get("status"), run.metrics.get("output_dir", run.path)
    judged = f"judged on the {run.metrics['split']} split" if "split" in run.metrics else ""
    return ", ".join(str(part) for part in (status or judged or "not ended", directory))


def _tiles(run: RunFiles, between: Mapping[str, Interval]) -> list[tuple[str, str, str]]:
    monitor = str(run.option("task.monitor") or "")
    name = f"test/{monitor.rpartition('/')[2]}"
    rows = words.metric_rows(run, between)
    chosen = [row for row in rows if row[0] in (name, monitor)][:1] or rows[:1]
    tiles = [(metric, value, interval) for metric, value, interval in chosen]
    figures = {"num_parameters": "parameters", "seconds_total": "seconds", "samples_per_second": "samples a second"}
    for key, label in figures.items():
        if isinstance(run.metrics.get(key), int | float):
            tiles.append((label, f"{run.metrics[key]:,.0f}", ""))
    return tiles


def _about(between: Mapping[str, Interval]) -> str:
    over = "How far other seeds are from it, seeds=5 tells."
    if between:
        how = "Wilson for shares, DeLong for AUROC, bootstrap for others"
        return f"An interval says what the test's size leaves open ({how}). {over}"
    return f"What each sample adds to these metrics is not on record, so there are no intervals. {over}"


def _ordered(pictures: Mapping[str, Path]) -> list[str]:
    def place(name: str) -> tuple[int, str]:
        return next((number for number, start in enumerate(_FIRST) if name.startswith(start)), len(_FIRST)), name

    return sorted(pictures, key=place)


def _heading(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _wrong(run: RunFiles) -> list[dict[str, Any]]:
    """Returns the table of what was predicted wrongly, the surest first, where no other file tells of the worst."""
    if "predictions" not in run.tables or any(name.startswith("worst") for name in (*run.tables, *run.pictures)):
        return []
    table = run.tables["predictions"]
    rows = [row for row in read_table(table) if row.get("correct") == "false"]
    if rows and "confidence" in rows[0]:
        rows.sort(key=lambda row: row["confidence"], reverse=True)
    header = [name for name in (rows[0] if rows else ()) if name not in ("index", "correct") and name[:2] != "p_"]
    return [_shown("Mistakes", table, header, rows)] if rows else []


def _table(file: Path, key: str) -> dict[str, Any]:
    """Returns the rows of a table that tell most: of classes the worst ones."""
    rows: Sequence[Mapping[str, str]] = read_table(file)
    if key == "f1" and rows and key in rows[0]:
        rows = sorted(rows, key=lambda row: float(row[key] or 0))
    return _shown(_heading(file.stem), file, list(rows[0]) if rows else [], rows)


def _shown(name: str, file: Path, header: Sequence[str], rows: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    shown = [[_cut(row.get(column, "")) for column in header] for row in rows[:_ROWS]]
    left_out = max(0, len(rows) - _ROWS)
    return {"name": name, "header": header, "rows": shown, "left_out": left_out, "file": file.name}


def _written(path: Path) -> str:
    """Returns the beginning of what a language model wrote."""
    for file in (path / "report" / "sample.txt", path / "sample.txt"):
        if file.is_file():
            return file.read_text(encoding="utf-8", errors="replace")[:_WRITTEN]
    return ""


def _cut(text: str) -> str:
    return text if len(text) <= _CELL else f"{text[:_CELL]}…"


def _png(image: Any) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _pictures(run: RunFiles) -> list[tuple[str, str, int]]:
    """Returns heading, content and width, by which its letters are as large as those of the text, of each picture."""
    from PIL import Image

    found = []
    for name in _ordered(run.pictures):
        try:
            with Image.open(run.pictures[name]) as image:
                width = round(image.width * _CSS_DPI / DPI)
            found.append((_heading(name), _inline(_packed(run.pictures[name])), width))
        except (OSError, ValueError):
            run.missing.append(run.pictures[name].name)
    return found


def _packed(file: Path) -> bytes:
    """Returns a picture as it is, or, where it is large, no wider than a page shows and with some loss."""
    content = file.read_bytes()
    if len(content) <= _LARGE:
        return content
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(io.BytesIO(content)) as image:
        image.thumbnail((_WIDEST, 4 * _WIDEST))
        image.convert("RGB").save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _inline(content: bytes) -> str:
    kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
