"""Load pretrained weights from a file, and say of every tensor what became of it."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.checkpoint import UnreadableFileError, load_file
from zoo.download import fetch

_SWITCHES = ("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
# What DataParallel, a Lightning task and torch.compile put before the names of the model they wrap.
WRAPPERS = ("module.", "model.", "_orig_mod.")
SUFFIXES = (".bin", ".ckpt", ".pt", ".pth", ".safetensors", ".th")  # of files of weights
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True)
class LoadReport:
    """What became of the tensors of a file and of a model, by the model's names.

    Args:
        matched: loaded.
        missing: in the model only; they keep their start values.
        unexpected: in the file only; they are ignored.
        reshaped: in both, but with shapes that differ, as a head for other classes has; they keep their start values.
        other_classes: the head's, where it names other classes than the data have; likewise.
        adapted: loaded after a change of their shape, which is said.
    """

    matched: list[str]
    missing: list[str]
    unexpected: list[str]
    reshaped: list[str]
    other_classes: list[str] = field(default_factory=list)
    adapted: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """One line, such as "loaded 121 tensors; kept their start values: head.weight, head.bias"."""
        line = f"loaded {len(self.matched)} tensors"
        if self.adapted:
            line += f"; adapted: {_some([f'{name} {change}' for name, change in self.adapted.items()])}"
        if kept := [*self.missing, *self.reshaped]:
            line += f"; kept their start values: {_some(kept)}"
        if self.other_classes:
            line += f"; kept their start values, since the file has other classes: {_some(self.other_classes)}"
        if self.unexpected:
            line += f"; ignored from the file: {_some(self.unexpected)}"
        return line


def load_weights(model: nn.Module, path: str | Path, *, class_names: Sequence[str] = ()) -> LoadReport:
    """Load weights into a model in place; only its head may differ.

    Names that the model has itself win; others are translated by its `published_names`, where it has them: regular
    expressions and what they turn into. What `ignored_names` finds in a file is left out. A first convolution takes the
    kernels of another number of channels, and a module with `fitted(name, tensor)` tensors of other shapes. A model's
    `starts_anew(names)` says what the names begin with of all that a file of these names may lack.

    Args:
        model: a model with `layer_groups()`; the last group is the head.
        path: a file of tensors by name, or of a dict that holds them as `state_dict`, as Lightning's checkpoints do.
            Names may be prefixed by what wrapped the model when it was saved.
        class_names: the classes of the data; a head that a checkpoint of ours says has others is not loaded.

    Returns:
        What became of every tensor.

    Raises:
        ValueError: if the file cannot be read, or anything outside the head is missing, unexpected or of another shape.
    """
    own = model.state_dict()
    content = read_content(Path(path))
    found = _translate(tensors_of(content, path), own, getattr(model, "published_names", {}))
    ignored = [name for name in found if name not in own and re.search(getattr(model, "ignored_names", "^$"), name)]
    adapted = _adapt(model, found, own)
    shared = [name for name in found if name in own]
    other_classes: list[str] = []
    if class_names and _classes_of(content) not in ([], list(class_names)):
        other_classes = [name for name in own if name.startswith(_head_names(model))]
    report = LoadReport(
        matched=[name for name in shared if found[name].shape == own[name].shape and name not in other_classes],
        # Files of older torch lack these counters, which only norms without momentum use.
        missing=[name for name in own if name not in found and not name.endswith("num_batches_tracked")],
        unexpected=[name for name in found if name not in own],
        reshaped=[name for name in shared if found[name].shape != own[name].shape and name not in other_classes],
        other_classes=other_classes,
        adapted=adapted,
    )
    anew: tuple[str, ...] = model.starts_anew(found) if hasattr(model, "starts_anew") else ()  # type: ignore[operator]
    _refuse_differences_outside_head(model, report, path, ignored, anew)
    model.load_state_dict({name: found[name] for name in report.matched}, strict=False)
    return report


def hub_file(url: str, what: str) -> Path:
    """Puts a file of weights where torch looks for it, which by itself would not look at one that is there.

    Args:
        url: its address; the name ends in the hash of the file, as those of torchvision do.
        what: whose weights they are, for errors.

    Returns:
        Its path in torch's cache.

    Raises:
        ValueError: it is not there, and cannot be downloaded.
    """
    path = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    digits = re.search(r"-([0-9a-f]{8,})\.", path.name)
    if digits is None:
        raise ValueError(f"{path.name} has no hash in its name; download it by hand and give its path")
    try:
        return fetch([url], path, checksum=f"sha256:{digits[1]}")
    except OSError as error:
        remedy = f"put {path.name} into {path.parent}"
        raise ValueError(f"weights {what} cannot be downloaded ({error}); {remedy}") from error


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


def read_content(path: Path) -> Any:
    """Returns what a file of weights holds: tensors by name, or what else was saved with them.

    Raises:
        ValueError: it cannot be read, or holds more than plain values and tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return _read_safetensors(path)
        return load_file(path)
    except UnreadableFileError as error:
        raise ValueError(f"weights {path}: cannot be read ({error}); name a file of tensors by name") from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file as load_safetensors

    try:
        return load_safetensors(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UnreadableFileError(str(error)) from error


def tensors_of(content: Any, path: str | Path) -> dict[str, Tensor]:
    """Returns the tensors of a file by name, without the prefixes of wrappers.

    Args:
        content: what `read_content` has returned.
        path: of the file, for the error.

    Raises:
        ValueError: there are none.
    """
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not (isinstance(state, dict) and state and all(isinstance(value, Tensor) for value in state.values())):
        remedy = "save them with torch.save(model.state_dict(), path)"
        raise ValueError(f"weights {path}: holds no tensors by name; {remedy}")
    if "pytorch-lightning_version" in content:  # what is beside the model, such as a loss with weights, is the task's
        state = {name: value for name, value in state.items() if name.startswith("model.")}
    while prefix := next((p for p in WRAPPERS if state and all(name.startswith(p) for name in state)), None):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def preprocessing_of(content: Any) -> dict[str, Any]:
    """Returns what a checkpoint of ours says is done to data before the model sees them; nothing of other files."""
    saved = content.get("zoo") if isinstance(content, dict) else None
    return dict(saved.get("preprocessing") or {}) if isinstance(saved, dict) else {}


def _classes_of(content: Any) -> list[str]:
    saved = content.get("zoo") if isinstance(content, dict) else None
    return list(saved.get("class_names") or []) if isinstance(saved, dict) else []


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


def _adapt(model: nn.Module, found: dict[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, str]:
    """Gives tensors another shape where the model knows how; returns what was done, by name."""
    adapted = {}
    first = next((name for name, module in model.named_modules() if isinstance(module, _CONVOLUTIONS)), None)
    for name, saved in found.items():
        if name not in own or saved.shape == own[name].shape:
            continue
        fitted = None
        if name == f"{first}.weight" and saved.ndim == own[name].ndim:
            fitted = with_channels(saved, own[name].shape[1])
        fitted = fitted if fitted is not None else _fitted(model, name, saved)
        if fitted is not None and fitted.shape == own[name].shape:
            found[name] = fitted
            adapted[name] = f"from {list(saved.shape)} to {list(fitted.shape)}"
    return adapted


def with_channels(kernels: Tensor, in_channels: int) -> Tensor:
    """Returns the kernels of a convolution for images of another number of channels.

    They are averaged over the channels, and scaled so that an image that is alike in all channels gives what it gave.

    Args:
        kernels: (O, C, ...).
        in_channels: asked for.
    """
    mean = kernels.sum(dim=1, keepdim=True) / in_channels
    return mean.expand(-1, in_channels, *kernels.shape[2:]).contiguous()


def _fitted(model: nn.Module, name: str, saved: Tensor) -> Tensor | None:
    """What the innermost module that has `fitted` makes of a tensor."""
    path, leaf = name.rpartition(".")[::2]
    while True:
        fit = getattr(model.get_submodule(path), "fitted", None)
        if fit is not None:
            result: Tensor | None = fit(leaf, saved)
            return result
        if not path:
            return None
        path, _, last = path.rpartition(".")
        leaf = f"{last}.{leaf}"


def _refuse_differences_outside_head(
    model: nn.Module, report: LoadReport, path: str | Path, ignored: Sequence[str], anew: tuple[str, ...]
) -> None:
    head_names = _head_names(model)
    problems = []
    for what, names in (
        ("missing in the file", [name for name in report.missing if not name.startswith(anew)]),
        ("unexpected in the file", [name for name in report.unexpected if name not in ignored]),
        ("of another shape", report.reshaped),
    ):
        outside = [name for name in names if not name.startswith(head_names)]
        if outside:
            problems.append(f"{len(outside)} tensors {what}: {_some(outside)}")
    if problems:
        remedy = "only the head may differ, build the model with the arguments it was trained with"
        raise ValueError(f"weights {path}: {' and '.join(problems)}; {remedy}")


def _head_names(model: nn.Module) -> tuple[str, ...]:
    """What the names of the head's tensors begin with."""
    head_modules = model.layer_groups()[-1]  # type: ignore[operator]
    return tuple(f"{name}." for name, module in model.named_modules() if module in head_modules)


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
