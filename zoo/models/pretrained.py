"""Load pretrained weights from a file, and say of every tensor what became of it."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from zoo.checkpoint import UnreadableFileError, load_file

_SWITCHES = ("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
# What DataParallel, a Lightning task and torch.compile put before the names of the model they wrap.
WRAPPERS = ("module.", "model.", "_orig_mod.")


@dataclass(frozen=True)
class LoadReport:
    """What became of the tensors of a file and of a model, by the model's names.

    Args:
        matched: loaded.
        missing: in the model only; they keep their start values.
        unexpected: in the file only; they are ignored.
        reshaped: in both, but with shapes that differ, as a head for other classes has; they keep their start values.
    """

    matched: list[str]
    missing: list[str]
    unexpected: list[str]
    reshaped: list[str]

    def __str__(self) -> str:
        """One line, such as "loaded 121 tensors; kept their start values: head.weight, head.bias"."""
        kept = [*self.missing, *self.reshaped]
        line = f"loaded {len(self.matched)} tensors"
        if kept:
            line += f"; kept their start values: {_some(kept)}"
        if self.unexpected:
            line += f"; ignored from the file: {_some(self.unexpected)}"
        return line


def load_weights(model: nn.Module, path: str | Path) -> LoadReport:
    """Load weights into a model in place; only its head may differ.

    Names that the model has itself win; others are translated by its `published_names`, where it has them: regular
    expressions and what they turn into.

    Args:
        model: a model with `layer_groups()`; the last group is the head.
        path: a file of tensors by name, or of a dict that holds them as `state_dict`, as Lightning's checkpoints do.
            Names may be prefixed by what wrapped the model when it was saved.

    Returns:
        What became of every tensor.

    Raises:
        ValueError: if the file cannot be read, or anything outside the head is missing, unexpected or of another shape.
    """
    own = model.state_dict()
    found = _translate(_read(Path(path)), own, getattr(model, "published_names", {}))
    shared = [name for name in found if name in own]
    report = LoadReport(
        matched=[name for name in shared if found[name].shape == own[name].shape],
        # Files of older torch lack these counters, which only norms without momentum use.
        missing=[name for name in own if name not in found and not name.endswith("num_batches_tracked")],
        unexpected=[name for name in found if name not in own],
        reshaped=[name for name in shared if found[name].shape != own[name].shape],
    )
    _refuse_differences_outside_head(model, report, path)
    model.load_state_dict({name: found[name] for name in report.matched}, strict=False)
    return report


@contextmanager
def tensors_only() -> Iterator[None]:
    """Keeps torch from running what stands in a file while another library loads it: torch's own switch."""
    before = {name: os.environ.pop(name, None) for name in _SWITCHES}
    os.environ[_SWITCHES[0]] = "1"
    try:
        yield
    finally:
        os.environ.pop(_SWITCHES[0])
        os.environ.update({name: value for name, value in before.items() if value is not None})


def _read(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, without the prefixes of wrappers."""
    try:
        content = load_file(path)
    except UnreadableFileError as error:
        raise ValueError(f"weights {path}: cannot be read ({error}); name a file of tensors by name") from error
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not (isinstance(state, dict) and state and all(isinstance(value, Tensor) for value in state.values())):
        remedy = "save them with torch.save(model.state_dict(), path)"
        raise ValueError(f"weights {path}: holds no tensors by name; {remedy}")
    if "pytorch-lightning_version" in content:  # what is beside the model, such as a loss with weights, is the task's
        state = {name: value for name, value in state.items() if name.startswith("model.")}
    while prefix := next((p for p in WRAPPERS if state and all(name.startswith(p) for name in state)), None):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def _translate(found: dict[str, Tensor], own: Mapping[str, Tensor], published: Mapping[str, str]) -> dict[str, Tensor]:
    """The file's tensors under the model's names."""
    translated = {}
    for name, value in found.items():
        new_name = name
        if name not in own:
            for pattern, replacement in published.items():
                new_name = re.sub(pattern, replacement, new_name)
        translated[new_name] = value
    return translated


def _refuse_differences_outside_head(model: nn.Module, report: LoadReport, path: str | Path) -> None:
    head_modules = model.layer_groups()[-1]  # type: ignore[operator]
    head_names = tuple(f"{name}." for name, module in model.named_modules() if module in head_modules)
    problems = []
    for what, names in (
        ("missing in the file", report.missing),
        ("unexpected in the file", report.unexpected),
        ("of another shape", report.reshaped),
    ):
        outside = [name for name in names if not name.startswith(head_names)]
        if outside:
            problems.append(f"{len(outside)} tensors {what}: {_some(outside)}")
    if problems:
        remedy = "only the head may differ, build the model with the arguments it was trained with"
        raise ValueError(f"weights {path}: {' and '.join(problems)}; {remedy}")


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
