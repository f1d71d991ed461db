"""Transcription: loss, error rates, both decoders, recordings that are too short, one batch by heart."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zoo.metrics.counted import CharacterErrorRate, WordErrorRate
from zoo.models.recurrent.transcriber import Transcriber
from zoo.tasks.transcription import TranscriptionTask


class Certain(nn.Module):
    """Says in each frame the token whose number is the only feature there, and little of any other one."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(8.0))

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        return self.scale * nn.functional.one_hot(features[:, 0, 0].long(), 5).float()

    def output_lengths(self, lengths: Tensor) -> Tensor:
        return lengths


def task(model: nn.Module | None = None, *, zero_infinity: bool = False, **options: Any) -> TranscriptionTask:
    torch.manual_seed(0)
    metrics = {"word_error_rate": WordErrorRate(), "character_error_rate": CharacterErrorRate()}
    given = {"criterion": nn.CTCLoss(zero_infinity=zero_infinity), "optimizer": partial(torch.optim.Adam, lr=0.01)}
    return TranscriptionTask(model or Certain(), metrics=metrics, **{**given, **options})


def batch(frames: list[list[int]], texts: list[list[int]]) -> dict[str, Tensor]:
    lengths, sizes = torch.tensor([len(each) for each in frames]), torch.tensor([len(text) for text in texts])
    inputs = torch.nn.utils.rnn.pad_sequence([torch.tensor(each).float() for each in frames], batch_first=True)
    target = torch.nn.utils.rnn.pad_sequence([torch.tensor(text) for text in texts], batch_first=True)
    return {
        "input": inputs[:, None, None],
        "input_length": lengths,
        "target": target,
        "target_length": sizes,
        "index": torch.arange(len(texts)),
    }


EACH = batch([[1, 1, 0, 1, 2], [3, 0, 0], [0, 2, 2, 4]], [[1, 1, 2], [3], [2, 4, 4]])


def test_error_rates_are_over_all_texts_of_a_stage() -> None:
    learner = task().eval()
    learner.validation_step(EACH, 0)  # the last text lacks a token of seven
    learner.validation_step(batch([[1, 0]], [[2]]), 1)
    values = learner.val_record.compute()
    assert float(values["word_error_rate"]) == pytest.approx(2 / 8)
    assert torch.isclose(values["loss"], by_hand(learner, [EACH, batch([[1, 0]], [[2]])]))


def by_hand(learner: TranscriptionTask, batches: list[dict[str, Tensor]]) -> Tensor:
    """The mean over texts, one by one, each divided by its length."""
    terms = []
    for each in batches:
        frames = learner.model(each["input"], each["input_length"]).log_softmax(-1)
        for row, (length, size) in enumerate(zip(each["input_length"], each["target_length"], strict=True)):
            target = each["target"][row : row + 1, :size]
            loss = nn.functional.ctc_loss(frames[row, :length, None], target, length[None], size[None], reduction="sum")
            terms.append(loss / size)
    return torch.stack(terms).mean().detach()


def test_words_end_at_the_separator() -> None:
    learner = task(separator=4).eval()
    learner.validation_step(batch([[1, 4, 2, 3]], [[1, 4, 2, 2]]), 0)
    values = learner.val_record.compute()
    assert (float(values["word_error_rate"]), float(values["character_error_rate"])) == (0.5, 0.25)


def test_a_test_writes_down_both_texts_and_judges_that_of_the_decoder() -> None:
    for decoder, other in (("greedy", "beam"), ("beam", "greedy")):
        learner = task(decoder=decoder, beam_width=4).eval()
        assert list(learner.validation_step(EACH, 0)["texts"]) == [decoder]
        shown = learner.test_step(EACH, 0)["texts"]
        assert list(shown) == [decoder, other]
        assert torch.equal(shown["greedy"], torch.tensor([[1, 1, 2], [3, 0, 0], [2, 4, 0]]))  # type: ignore[call-overload]
        assert torch.equal(shown["beam"], shown["greedy"])  # type: ignore[call-overload]


@pytest.mark.parametrize("zero_infinity", [False, True])
def test_a_recording_too_short_for_its_text_is_never_passed_over_in_silence(zero_infinity: bool) -> None:
    learner = task(zero_infinity=zero_infinity)
    losses = learner.losses(learner(EACH), EACH)
    assert losses["loss"].isfinite()
    short = batch([[1, 1], [3, 0, 0]], [[1, 1], [3]])  # equal tokens need a frame between them
    losses = learner.losses(learner(short), short)
    if zero_infinity:
        assert losses["loss"].isfinite() and float(losses["too_short"]) == 0.5
    else:
        assert losses["loss"].isinf() and "too_short" not in losses


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_loss_has_the_precision_of_the_logits_or_better(dtype: torch.dtype) -> None:
    learner = task(Transcriber(5, in_channels=1, image_size=[4, 12], hidden_size=4)).to(dtype)
    each = {**EACH, "input": torch.randn(3, 1, 4, 40), "input_length": torch.tensor([40, 30, 20])}
    assert learner.losses(learner(each), each)["loss"].dtype == torch.promote_types(dtype, torch.float32)


def test_one_batch_is_learned_by_heart() -> None:
    learner = task(Transcriber(5, in_channels=1, image_size=[4, 40], hidden_size=16, width=4, dropout=0.0))
    draw = torch.Generator().manual_seed(0)
    each = {**EACH, "input": torch.randn(3, 1, 4, 40, generator=draw), "input_length": torch.tensor([40, 30, 24])}
    optimizer = torch.optim.Adam(learner.parameters(), lr=0.02)
    for _ in range(160):
        optimizer.zero_grad()
        learner.losses(learner(each), each)["loss"].backward()
        optimizer.step()
    learner.eval().validation_step(each, 0)
    assert float(learner.val_record.compute()["word_error_rate"]) == 0.0


def test_a_step_of_training_keeps_nothing_of_its_outputs() -> None:
    learner = task()
    learner.training_step(EACH, 0)
    assert not learner.train_record._preds and learner.train_record._sizes == [3]
