"""What a language model writes is shown, and what is none is left alone."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.callbacks.tiny_run import TinyData, TinyTask, tiny_trainer
from zoo.callbacks.tensorboard import TensorBoard
from zoo.callbacks.text_samples import TextReport, TextSamples, as_markdown, continued
from zoo.data.tokenizer import Characters, train_tokenizer


class Next(nn.Module):
    """Says that each token is followed by the next one, and the last by the first that is text."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        table = 20 * torch.eye(vocab_size).roll(1, dims=1)
        table[-1, 2] = 30
        self.table = nn.Parameter(table)

    def decode(self, tokens: Tensor, cache: Any = None) -> tuple[Tensor, Any]:
        return self.table[tokens[:, -1]], cache


class TextTask(TinyTask):
    continues_text = True

    def __init__(self) -> None:
        super().__init__()
        self.classifier, self.model = self.model, Next(6)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        return nn.functional.cross_entropy(self.classifier(batch["input"]), batch["target"])

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        pass

    test_step = validation_step


class TextData(TinyData):
    tokenizer = Characters(["\n", "a", "b", "c"])


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int]]:
    texts: list[tuple[str, str, int]] = []
    monkeypatch.setattr(TensorBoard, "log_text", lambda self, *arguments: texts.append(arguments))
    return texts


def run(directory: Path, callback: Any, task: Any, data: Any, *, fit: bool = True) -> None:
    trainer = tiny_trainer(directory, max_epochs=2, callbacks=[callback], logger=[TensorBoard(directory)])
    if fit:
        trainer.fit(task, datamodule=data)
    else:
        trainer.validate(task, datamodule=data, verbose=False)
        trainer.test(task, datamodule=data, verbose=False)


def test_a_text_is_shown_after_each_validation(tmp_path, shown):
    run(tmp_path, TextSamples(max_new_tokens=5), TextTask(), TextData())
    assert shown == [("val/report/sample", "    abc\n    a", step) for step in (3, 6)]


@pytest.mark.parametrize(("task", "data"), [(TinyTask, TextData), (TextTask, TinyData)])
def test_what_is_no_language_model_is_left_alone(task, data, tmp_path, shown):
    run(tmp_path, TextSamples(), task(), data())
    assert not shown
    run(tmp_path, TextReport(tmp_path / "report"), task(), data(), fit=False)
    assert not (tmp_path / "report").exists()


def test_a_judgement_writes_a_text_into_a_file(tmp_path, shown):
    run(tmp_path, TextReport(tmp_path / "report", max_new_tokens=9), TextTask(), TextData(), fit=False)
    assert (tmp_path / "report" / "sample.txt").read_text() == "abc\nabc\na\n"
    assert not shown


def test_neither_weights_nor_randomness_nor_mode_change(tmp_path):
    task, data = TextTask(), TextData()
    trainer = tiny_trainer(tmp_path)
    trainer.datamodule = data
    task.train()
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    assert TextSamples().text(trainer, task) == TextSamples().text(trainer, task)
    assert torch.equal(torch.rand(1), expected) and task.model.training


def test_a_model_goes_on_from_the_end_of_the_prompt_and_says_nothing_that_is_no_text():
    tokenizer = TextData.tokenizer
    written = "".join(continued(Next(6), tokenizer, "ab", max_new_tokens=4, temperature=0))
    assert written == "c\nab"


@pytest.mark.parametrize("kind", ["characters", "words", "bpe"])
def test_an_empty_prompt_begins_a_text_of_any_kind(kind):
    tokenizer = train_tokenizer(kind, ["so it goes"])
    model = Next(tokenizer.vocab_size)
    assert "".join(continued(model, tokenizer, "", max_new_tokens=3, temperature=0))


def test_words_that_go_on_stand_apart_from_the_prompt():
    tokenizer = train_tokenizer("words", ["so it goes"])
    model = Next(tokenizer.vocab_size)  # goes, it, so: by alphabet
    assert "".join(continued(model, tokenizer, "goes it", max_new_tokens=2, temperature=0)) == " so goes"
    assert "".join(continued(model, tokenizer, "goes it ", max_new_tokens=2, temperature=0)) == "so goes"


def test_a_text_is_shown_line_by_line():
    assert as_markdown("\nROMEO:\n# no *heading*\n") == "    ROMEO:\n    # no *heading*"
