"""Sequence to sequence: losses and accuracy over real tokens, texts that are right as a whole, one batch by heart."""

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from zoo.losses.classification import CrossEntropy
from zoo.metrics.counted import ExactMatch, TokenAccuracy
from zoo.models.recurrent.seq2seq import Seq2Seq
from zoo.tasks.sequence_to_sequence import SequenceToSequenceTask, equal_texts

V, END = 8, 7


def task(*, label_smoothing: float = 0.0, **options: Any) -> SequenceToSequenceTask:
    torch.manual_seed(0)
    model = Seq2Seq(10, V, hidden_size=24, dropout=0.0)
    given = {
        "criterion": CrossEntropy(label_smoothing=label_smoothing),
        "optimizer": partial(torch.optim.Adam, lr=0.01),
        "train_metrics": {"token_accuracy": TokenAccuracy()},
        "metrics": {"token_accuracy": TokenAccuracy(), "exact_match": ExactMatch()},
    }
    return SequenceToSequenceTask(model, max_length=9, **{**given, **options})


def batch(*texts: list[int], seed: int = 0) -> dict[str, Tensor]:
    """Made-up sources, and given texts with their end."""
    draw = torch.Generator().manual_seed(seed)
    target = torch.nn.utils.rnn.pad_sequence([torch.tensor([*text, END]) for text in texts], batch_first=True)
    told = torch.cat([torch.full((len(texts), 1), END), target[:, :-1].masked_fill(target[:, :-1] == END, 0)], dim=1)
    source = torch.randint(1, 10, (len(texts), 6), generator=draw)
    return {"input": source, "decoder_input": told, "target": target, "index": torch.arange(len(texts))}


BATCHES = [batch([2, 3], [4, 5, 6, 2, 3]), batch([2], seed=1)]


def test_the_loss_and_the_accuracy_of_a_stage_are_over_its_real_tokens() -> None:
    learner = task().eval()
    terms, right = [], []
    for each in BATCHES:
        learner.validation_step(each, 0)
        probabilities = learner.model(each["input"], each["decoder_input"]).softmax(-1).detach()
        for row, targets in enumerate(each["target"].tolist()):
            for place, target in enumerate(targets):
                if target:
                    terms.append(-math.log(float(probabilities[row, place, target])))
                    right.append(int(probabilities[row, place].argmax()) == target)
    values = learner.val_record.compute()
    assert len(terms) == 11
    assert float(values["loss"]) == pytest.approx(sum(terms) / 11, abs=1e-6)
    assert float(values["token_accuracy"]) == pytest.approx(sum(right) / 11)


def test_a_batch_of_other_width_and_more_padding_changes_no_loss() -> None:
    learner, each = task().eval(), BATCHES[0]
    wider = {name: torch.nn.functional.pad(value, (0, 3)) for name, value in each.items() if value.ndim == 2}
    for first, second in ((each, wider), (each, {**each, "input": wider["input"]})):
        losses = [learner.losses(learner(part), part)["loss"] for part in (first, second)]
        torch.testing.assert_close(*losses)


def test_the_step_of_training_smooths_and_evaluation_does_not() -> None:
    smoothed, plain = task(label_smoothing=0.2), task()
    assert not torch.isclose(smoothed.training_step(BATCHES[0], 0), plain.training_step(BATCHES[0], 0))
    losses = [each.eval().losses(each(BATCHES[0]), BATCHES[0])["loss"] for each in (smoothed, plain)]
    assert torch.equal(*losses)


@pytest.mark.parametrize(
    ("text", "target", "equal"),
    [
        ([2, 3, END], [2, 3, END], True),
        ([2, 3, END, 0, 0], [2, 3, END], True),
        ([2, 3], [2, 3, END], False),
        ([2, 3, END], [2, 3, 4, END], False),
        ([2, 3, 4, END], [2, 3, END], False),
        ([2, 1, END], [2, 1, END], False),  # nobody can write what is unknown
    ],
)
def test_a_text_is_right_as_a_whole_or_not_at_all(text: list[int], target: list[int], equal: bool) -> None:
    assert equal_texts(torch.tensor([text]), torch.tensor([target])).tolist() == [equal]


def test_one_batch_is_learned_by_heart_and_then_written_without_being_told() -> None:
    learner, each = task(), BATCHES[0]
    optimizer = torch.optim.Adam(learner.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        learner.losses(learner(each), each)["loss"].backward()
        optimizer.step()
    shown = learner.eval().validation_step(each, 0)
    assert torch.equal(shown["texts"]["prediction"], each["target"])  # type: ignore[index]
    values = learner.val_record.compute()
    assert float(values["loss"]) < 0.05
    assert float(values["exact_match"]) == float(values["token_accuracy"]) == 1.0


def test_exact_match_is_of_what_the_model_writes_by_itself() -> None:
    learner, each = task().eval(), BATCHES[0]
    written = learner.validation_step(each, 0)["texts"]["prediction"]  # type: ignore[index]
    learner.val_record.compute()
    missed = written.clone()
    missed[0, 0] = written[0, 0] % 6 + 1
    for target, share in ((written, 1.0), (missed, 0.5)):
        told = torch.nn.functional.pad(target[:, :-1], (1, 0), value=END)
        # Those that the model does not end within nine tokens have no end, and are equal all the same.
        learner.validation_step({**each, "decoder_input": told, "target": target}, 0)
        assert float(learner.val_record.compute()["exact_match"]) == share


def test_a_batch_leaves_a_few_numbers_a_text_behind_however_long_it_is() -> None:
    learner = task()
    learner.training_step(BATCHES[0], 0)
    learner.training_step(BATCHES[1], 1)
    assert [preds.shape for preds in learner.train_record._preds] == [(2, 2), (1, 2)]
    learner.eval().validation_step(BATCHES[0], 0)
    assert learner.val_record._preds[0].shape == (2, 4)
    assert learner.train_record.compute()["token_accuracy"].ndim == 0


def test_without_metrics_nothing_is_compared() -> None:
    learner = task(train_metrics=None)
    learner.training_step(BATCHES[0], 0)
    assert not learner.train_record._preds
