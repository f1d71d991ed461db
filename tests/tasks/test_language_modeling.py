"""Language modelling: losses are means over tokens, and what is derived from them."""

import math
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy

from zoo.batch import NO_TARGET
from zoo.losses.classification import CrossEntropy
from zoo.tasks.language_modeling import LanguageModelingTask

V = 5


class Bigram(nn.Module):
    """The next token from the last one alone."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(V, V)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.table(tokens)


class Penalised(Bigram):
    def regularization(self) -> Tensor:
        return 0.5 * self.table.weight.square().mean()


def task(model: nn.Module | None = None, *, label_smoothing: float = 0.0, **options: Any) -> LanguageModelingTask:
    torch.manual_seed(0)
    criterion, optimizer = CrossEntropy(label_smoothing=label_smoothing), partial(torch.optim.Adam, lr=0.1)
    return LanguageModelingTask(model or Bigram(), criterion=criterion, optimizer=optimizer, **options)


def batch(rows: int = 3, length: int = 7, *, without: int = 0) -> dict[str, Tensor]:
    """Made-up tokens; the first `without` places of each row have no target."""
    draw = torch.Generator().manual_seed(rows)
    tokens = torch.randint(1, V, (rows, length + 1), generator=draw)
    target = tokens[:, 1:].clone()
    target[:, :without] = NO_TARGET
    return {"input": tokens[:, :-1], "target": target, "index": torch.arange(rows)}


def by_hand(learner: LanguageModelingTask, batches: list[dict[str, Tensor]]) -> float:
    """The mean over tokens, one by one."""
    terms = []
    for each in batches:
        probabilities = learner.model(each["input"]).softmax(-1).detach()
        for row in range(len(each["target"])):
            for place, target in enumerate(each["target"][row].tolist()):
                if target != NO_TARGET:
                    terms.append(-math.log(float(probabilities[row, place, target])))
    return sum(terms) / len(terms)


def test_the_loss_of_a_stage_is_the_mean_over_its_tokens_and_not_over_its_batches() -> None:
    learner = task().eval()
    batches = [batch(4), batch(4, without=3), batch(1, without=5)]
    for each in batches:
        learner.validation_step(each, 0)
    assert float(learner.val_record.compute()["loss"]) == pytest.approx(by_hand(learner, batches), abs=1e-6)


def test_perplexity_and_bits_per_character_have_their_values_by_hand() -> None:
    derived = task().derived({"loss": torch.tensor(math.log(8.0))})
    assert float(derived["perplexity"]) == pytest.approx(8.0)
    assert float(derived["bits_per_character"]) == pytest.approx(3.0)  # one token a character


def test_bits_per_character_are_those_of_the_split_at_hand() -> None:
    learner = task()
    data = SimpleNamespace(tokens_per_character={"train": 0.25, "val": 0.5})
    loss = {"loss": torch.tensor(math.log(16.0))}
    for training, expected in ((True, 1.0), (False, 2.0)):
        learner._trainer = SimpleNamespace(training=training, testing=False, datamodule=data)  # type: ignore[assignment]
        assert float(learner.derived(loss)["bits_per_character"]) == pytest.approx(expected)


def test_the_perplexity_of_training_leaves_out_what_is_added_to_the_loss() -> None:
    values = {"loss": torch.tensor(2.0), "regularization": torch.tensor(0.5), "l1": torch.tensor(0.5)}
    assert float(task().derived(values)["perplexity"]) == pytest.approx(math.e)


def test_the_regularization_of_a_model_is_added_in_training_alone() -> None:
    plain, penalised = task(Bigram()), task(Penalised())
    penalised.load_state_dict(plain.state_dict())
    penalty = 0.5 * penalised.model.table.weight.square().mean()
    added = penalised.training_step(batch(), 0) - plain.training_step(batch(), 0)
    assert torch.isclose(added, penalty)
    assert torch.isclose(penalised.train_record.compute()["regularization"], penalty)
    penalised.eval().validation_step(batch(), 0)
    assert penalised.val_record.compute().keys() == {"loss"}


def test_evaluation_is_plain_cross_entropy_whatever_the_criterion_smooths() -> None:
    smoothed, plain = task(label_smoothing=0.2), task()
    assert not torch.isclose(smoothed.training_step(batch(), 0), plain.training_step(batch(), 0))
    losses = [learner.eval().losses(learner(batch()), batch())["loss"] for learner in (smoothed, plain)]
    assert torch.equal(*losses)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_loss_has_the_precision_of_the_logits_or_better(dtype: torch.dtype) -> None:
    learner = task().to(dtype)
    loss = learner.losses(learner(batch()), batch())["loss"]
    assert loss.dtype == torch.promote_types(dtype, torch.float32)


def test_mixed_precision_changes_the_loss_by_rounding_only() -> None:
    learner = task(nn.Sequential(nn.Embedding(V, 8), nn.Linear(8, V)))
    exact = learner.losses(learner(batch()), batch())["loss"]
    with torch.autocast("cpu", torch.bfloat16):
        mixed = learner.losses(learner(batch()), batch())["loss"]
    assert mixed.dtype == torch.float32 and torch.isclose(mixed, exact, atol=0.02)


def test_nothing_of_the_size_of_the_logits_is_kept_from_batch_to_batch() -> None:
    learner = task()
    preds, targets = learner.compare(learner(batch()), batch())
    assert preds.shape == targets.shape == (21,)
    learner.training_step(batch(), 0)
    assert not learner.train_record._preds and not learner.train_record._targets


def test_metrics_of_tokens_see_the_places_that_have_a_target() -> None:
    accuracy = MulticlassAccuracy(num_classes=V, average="micro")
    learner = task(metrics={"accuracy": accuracy}).eval()
    each = batch(without=2)
    learner.validation_step(each, 0)
    right = (learner(each).argmax(-1) == each["target"])[:, 2:]
    assert torch.isclose(learner.val_record.compute()["accuracy"], right.float().mean())


def test_one_batch_is_learned_by_heart() -> None:
    learner, tokens = task(), torch.tensor([[1, 2, 3, 4, 1, 2, 3, 4]])
    each = {"input": tokens[:, :-1], "target": tokens[:, 1:], "index": torch.arange(1)}
    optimizer = torch.optim.Adam(learner.parameters(), lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        learner.losses(learner(each), each)["loss"].backward()
        optimizer.step()
    assert float(learner.losses(learner(each), each)["loss"].detach()) < 0.01
