"""Every notebook runs from its first cell to its last, claims something, and is stored as a page that can be read."""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
SLOW = (  # above five seconds of computing
    "02_vanishing_gradients",
    "03_overfitting",
    "05_recurrence",
    "06_attention",
    "07_transfer_learning",
    "08_gans",
    "10_your_own_model",
)
notebooks = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
marked = [pytest.param(path, marks=[pytest.mark.slow] if path.stem in SLOW else []) for path in NOTEBOOKS]


@pytest.mark.parametrize("notebook", marked, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    matplotlib.use("Agg")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    from matplotlib import pyplot

    names: dict[str, object] = {"__name__": "__main__"}
    try:
        for cell in code_cells(notebook):
            exec(compile(source(cell), f"{notebook.name}:{cell['id']}", "exec"), names)
            pyplot.close("all")  # as a notebook does after each cell
    finally:
        pyplot.close("all")


@notebooks
def test_a_notebook_asserts_what_it_says(notebook: Path) -> None:
    assert any(re.search(r"^\s*assert ", source(cell), re.MULTILINE) for cell in code_cells(notebook))


@notebooks
def test_a_notebook_is_stored_as_a_small_page_with_its_figures(notebook: Path) -> None:
    page = json.loads(notebook.read_text())
    assert (page["nbformat"], page["nbformat_minor"]) == (4, 5)
    assert notebook.stat().st_size < 100_000
    ids = [cell["id"] for cell in page["cells"]]
    assert len(set(ids)) == len(ids)
    outputs = [output for cell in code_cells(notebook) for output in cell["outputs"]]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(output["output_type"] == "error" for output in outputs)
    texts = json.dumps([{**output, "data": {**output.get("data", {}), "image/png": ""}} for output in outputs])
    assert not re.search(r"Warning|/home/|/tmp/|/work/|/usr/", texts)


@notebooks
def test_what_a_notebook_links_to_exists(notebook: Path) -> None:
    cells = json.loads(notebook.read_text())["cells"]
    prose = "\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown")
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", prose) if "://" not in target]
    assert not [target for target in targets if not (notebook.parent / target.partition("#")[0]).exists()]


def code_cells(notebook: Path) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])
