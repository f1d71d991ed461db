"""Texts that were written, and where the decoder looked, as they are shown while a run goes on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.pairs import options, samples, write_tsv
from zoo.callbacks.attention_maps import AttentionMap, attention_figure
from zoo.callbacks.tensorboard import TensorBoard
from zoo.callbacks.text_predictions import _as_csv, _as_markdown
from zoo.config.entry import compose
from zoo.run import train

ROW = {"index": "3", "name": "a.tsv row 5", "source": "a|b", "target": "*x*", "prediction": "line\nbreak"}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    calls: list[tuple[Any, ...]] = []
    for method in ("log_text", "log_image"):
        monkeypatch.setattr(TensorBoard, method, lambda self, *arguments: calls.append(arguments))
    return calls


def run(folder: Path, *more: str) -> None:
    path = write_tsv(folder / "pairs.tsv", samples(60))
    given = ["trainer.max_epochs=5", "callbacks.model_graph=null", f"output_dir={folder / 'run'}"]
    train(compose(options(path, *given, *more)))


def test_texts_are_shown_after_each_validation_and_attention_after_some(
    shown: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    run(tmp_path)
    steps = {name: [call[2] for call in shown if call[0] == name] for name in {call[0] for call in shown}}
    assert steps["val/report/texts"] == [3, 6, 9, 12, 15]
    assert steps["val/report/attention"] == [3, 6, 12]
    assert steps["test/report/attention"] == [15] and len(steps["test/report/mistakes"]) == 1
    texts = next(call[1] for call in shown if call[0] == "val/report/texts").split("\n")
    assert texts[0] == "| source | target | prediction |" and len(texts) == 2 + 5


def test_without_attention_texts_are_shown_all_the_same(shown: list[tuple[Any, ...]], tmp_path: Path) -> None:
    run(tmp_path, "model.attention=none", "trainer.max_epochs=1")
    assert {call[0] for call in shown} >= {"val/report/texts", "test/report/mistakes"}
    assert not [call for call in shown if "attention" in call[0]]
    assert not (tmp_path / "run" / "report" / "attention.png").exists()
    assert (tmp_path / "run" / "report" / "predictions.csv").exists()


def test_a_text_is_shown_as_it_is() -> None:
    assert _as_markdown([ROW]).split("\n")[2] == r"| a\|b | \*x\* | line break |"
    assert _as_csv([ROW]) == 'index,name,source,target,prediction\n3,a.tsv row 5,a|b,*x*,"line\nbreak"\n'


def test_more_attention_is_a_darker_square() -> None:
    weights = np.array([[0.0, 1.0], [0.5, 0.5]])
    picture = attention_figure([AttentionMap(weights, ["a", " "], ["$", "⏎"])] * 3)
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    assert picture.min() < 60 and (picture == 255).mean() > 0.3
