"""`model_card.md`: what who uses a model has to know, with the front matter that model hubs read.

Mitchell et al., "Model Cards for Model Reporting", 2019, arXiv:1810.03993.
"""

import json
from collections.abc import Mapping

import yaml

from zoo.report import words
from zoo.report.files import RunFiles
from zoo.report.statistics import Interval


def card(run: RunFiles, between: Mapping[str, Interval]) -> str:
    """Returns the model card as Markdown.

    Args:
        run: the run.
        between: 95 % intervals of metrics.
    """
    parts = [
        f"---\n{yaml.safe_dump(_front(run), sort_keys=False, allow_unicode=True)}---",
        f"# {words.title(run)}",
        "## Model",
        _list(words.model_rows(run)),
        "## Training data",
        _list(words.data_rows(run)),
        "## Intended use",
        _intended(run),
        "## Metrics",
        _metrics(run, between),
        "## Limitations",
        _limitations(run),
        "## How to use",
        _use(run),
        "## How to reproduce",
        "```sh\n" + "\n".join(words.commands(run)) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _front(run: RunFiles) -> dict[str, object]:
    task = dict(words.model_rows(run)).get("Task", "")
    metrics = [
        {"type": name.partition("/")[2], "value": float(f"{run.metrics[name]:.6g}"), "name": name}
        for name, _, _ in words.metric_rows(run, {})
        if name.startswith("test/") or ("split" not in run.metrics and not _has_test(run) and name.startswith("val/"))
    ]
    result = {"task": {"type": task}, "dataset": {"name": words.data_name(run)}, "metrics": metrics}
    return {
        "library_name": "pytorch",
        "tags": [tag for tag in ("zoo", "pytorch", task.replace(" ", "-")) if tag],
        "model-index": [{"name": words.title(run), "results": [result]}],
    }


def _has_test(run: RunFiles) -> bool:
    return any(name.startswith("test/") for name in run.metrics)


def _list(rows: words.Rows) -> str:
    return "\n".join(f"- **{name}**: {_plain(text)}" for name, text in rows) or "Not recorded."


def _intended(run: RunFiles) -> str:
    task = dict(words.model_rows(run)).get("Task", "its task")
    return (
        f"{task.capitalize()} of what is like its training data. On other data it was not judged: "
        f"`python evaluate.py ckpt={run.path} data=...` does that. (To be written by who publishes it: what it is for.)"
    )


def _metrics(run: RunFiles, between: Mapping[str, Interval]) -> str:
    rows = [f"| {name} | {value} | {interval or '-'} |" for name, value, interval in words.metric_rows(run, between)]
    return "\n".join(["| metric | value | 95 % interval |", "|---|---|---|", *rows]) if rows else "None were written."


def _limitations(run: RunFiles) -> str:
    if run.verdicts is None:
        return "Nothing was recorded that could be judged."
    found = [f"- {_plain(str(verdict.get('name')))}: {_plain(str(verdict.get('finding')))}" for verdict in run.verdicts]
    return "\n".join(found) or "Training showed nothing wrong; what the data lack, the model has not learned."


def _use(run: RunFiles) -> str:
    path = json.dumps(str(run.path), ensure_ascii=False)
    return f"""```python
from omegaconf import OmegaConf
from zoo.restore import open_checkpoint
from zoo.tasks.resumable import ResumableModule

task = open_checkpoint(OmegaConf.create({{"ckpt": {path}}})).task(ResumableModule).eval()
model = task.model
```

On the command line, `python evaluate.py ckpt={run.path}` judges it; `python -m zoo` lists what else asks it."""


def _plain(text: str) -> str:
    """Returns text that Markdown shows as it is."""
    return "".join(f"\\{letter}" if letter in "\\`*_<>[]|#" else letter for letter in " ".join(text.split()))
