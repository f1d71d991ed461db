"""Signatures read from source."""

import subprocess
import sys
from pathlib import Path

import pytest

from zoo.config.signatures import Signature, signature
from zoo.config.source import NotFoundError

_FOREIGN = [
    "torch.optim.AdamW",
    "torch.optim.SGD",
    "torch.nn.CrossEntropyLoss",
    "lightning.pytorch.Trainer",
    "lightning.pytorch.callbacks.ModelCheckpoint",
    "torchmetrics.classification.MulticlassAccuracy",
    "zoo.errors.RunError",
]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `scratch_<n>` on the path, to be filled by the test."""
    folder = tmp_path / f"scratch_{abs(hash(tmp_path))}"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def _of(package: Path, source: str, name: str = "C") -> Signature | None:
    (package / "module.py").write_text(source)
    return signature(f"{package.name}.module.{name}")


def test_foreign_signatures_are_read_without_importing_torch() -> None:
    code = f"""
import sys
from zoo.config.signatures import signature
for target in {_FOREIGN!r}:
    assert signature(target).options, target
assert not sys.modules.keys() & {{"torch", "lightning", "numpy", "torchmetrics"}}
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(item, marks=pytest.mark.slow if item.startswith(("lightning", "torchmetrics")) else ())
        for item in _FOREIGN
    ],
)
def test_what_is_read_agrees_with_inspect(target: str) -> None:
    import importlib
    import inspect

    module, _, name = target.rpartition(".")
    real = inspect.signature(getattr(importlib.import_module(module), name))
    found = signature(target)
    assert found is not None
    named = [parameter.name for parameter in real.parameters.values() if parameter.kind.name != "VAR_KEYWORD"]
    assert list(found.options) == named
    required = [p.name for p in real.parameters.values() if p.default is p.empty and p.kind.name != "VAR_KEYWORD"]
    assert [name for name, parameter in found.options.items() if not parameter.has_default] == required


def test_a_name_that_is_both_file_and_function_is_the_function() -> None:
    found = signature("torchvision.models.alexnet")
    assert found is not None
    assert "weights" in found.options


def test_reexports_aliases_and_star_imports_are_followed(package: Path) -> None:
    (package / "deep.py").write_text("class Real:\n    def __init__(self, depth): ...\n")
    (package / "middle.py").write_text("from .deep import Real as Renamed\nAlias = Renamed\n")
    (package / "__init__.py").write_text("from .middle import *\n")
    found = signature(f"{package.name}.Alias")
    assert found is not None
    assert list(found.options) == ["depth"]


def test_an_inherited_constructor_counts(package: Path) -> None:
    found = _of(package, "class B:\n    def __init__(self, depth): ...\nclass C(B):\n    pass\n")
    assert found is not None
    assert list(found.options) == ["depth"]


def test_a_class_without_constructor_takes_nothing(package: Path) -> None:
    found = _of(package, "class C:\n    pass\n")
    assert found is not None
    assert (found.parameters, found.accepts_any) == ((), False)


def test_forwarded_keywords_are_those_of_the_base(package: Path) -> None:
    source = """
class B:
    def __init__(self, depth, width=1, bias=True): ...
class C(B):
    def __init__(self, extra, **kwargs):
        super().__init__(extra, bias=False, **kwargs)
"""
    found = _of(package, source)
    assert found is not None
    assert list(found.options) == ["extra", "width"]
    assert not found.accepts_any


def test_keywords_used_otherwise_accept_any_name(package: Path) -> None:
    found = _of(package, "class C:\n    def __init__(self, **kwargs):\n        self.x = kwargs.pop('x')\n")
    assert found is not None
    assert found.accepts_any


def test_a_dataclass_takes_its_fields(package: Path) -> None:
    source = """
from dataclasses import dataclass, field
@dataclass(frozen=True)
class B:
    depth: int
@dataclass
class C(B):
    widths: list = field(default_factory=list)
    hidden: int = field(init=False, default=0)
"""
    found = _of(package, source)
    assert found is not None
    assert {name: option.has_default for name, option in found.options.items()} == {"depth": False, "widths": True}


def test_a_class_method_takes_all_but_its_class(package: Path) -> None:
    found = _of(package, "class C:\n    @classmethod\n    def small(cls, depth=1): ...\n", "C.small")
    assert found is not None
    assert list(found.options) == ["depth"]


@pytest.mark.parametrize(
    "source",
    [
        "class C(metaclass=Strange):\n    def __init__(self, a): ...\n",
        "import functools\nC = functools.partial(print)\n",
        "def __getattr__(name): ...\n",
        "from strange_package_that_is_not_installed import C\n",
        "from strange_package_that_is_not_installed import B\nclass C(B): pass\n",
        "if something:\n    def C(a): ...\nelse:\n    def C(b): ...\n",
        "def broken(:\n",
    ],
)
def test_what_reading_cannot_tell_is_not_known(package: Path, source: str) -> None:
    assert _of(package, source) is None


def test_a_missing_name_lists_those_there_are() -> None:
    with pytest.raises(NotFoundError) as caught:
        signature("torch.optim.AdmaW")
    assert caught.value.parent == "torch.optim"
    assert "AdamW" in caught.value.options


def test_a_compiled_module_is_not_known() -> None:
    assert signature("math.sqrt") is None
