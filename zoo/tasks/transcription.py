"""Transcription: what is said in a recording, without being told when, by connectionist temporal classification (CTC).

Alex Graves et al., "Connectionist Temporal Classification", ICML 2006; see `zoo.models.ctc`.
"""

from collections.abc import Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torchaudio.functional import edit_distance  # type: ignore[import-untyped]

from zoo.batch import Batch
from zoo.models.ctc import BLANK, ctc_beam, ctc_greedy
from zoo.ranges import PositiveInt
from zoo.tasks.base import Task
from zoo.tasks.stage_metrics import StageMetrics

Decoder = Literal["greedy", "beam"]


class TranscriptionTask(Task):
    """Learns to write down what is said.

    The model gives logits (B, L, V) for `input` (B, C, F, T) and `input_length` (B,), and has a method
    `output_lengths` that tells how many of the L frames are real; token 0 says nothing. The batch holds `target` (B, U)
    and `target_length` (B,). Each text's loss is divided by its length. A recording with fewer frames than its text
    asks for has an infinite loss, which stops the run and names it, unless the criterion takes `zero_infinity`: then it
    counts as zero, and the share of such recordings is logged as `too_short`.

    Args:
        model: the network.
        criterion: `torch.nn.CTCLoss` or its like, called with log-probabilities (L, B, V), targets and both lengths.
        decoder: what texts are judged by in validation and test: the most probable token of each frame, or the most
            probable text, as beam search finds it. A test writes down both.
        beam_width: how many beginnings of a text the beam search keeps.
        separator: the token between two words; None where each token is a word.
        **options: as of every task.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        criterion: nn.Module,
        decoder: Decoder = "greedy",
        beam_width: PositiveInt = 16,
        separator: PositiveInt | None = None,
        **options: Any,
    ) -> None:
        super().__init__(model, criterion=criterion, **options)
        self.decoder, self.beam_width, self.separator = decoder, beam_width, separator

    def model_inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        """Returns spectrograms, and how many columns of each are real."""
        return batch["input"], batch["input_length"]

    def losses(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Returns the mean over texts, each divided by its length."""
        target, target_length, lengths = batch["target"], batch["target_length"], self._lengths(batch)
        log_probabilities = _log_probabilities(outputs).transpose(0, 1)  # (L, B, V)
        loss = self.criterion(log_probabilities, target, lengths, target_length)
        if not getattr(self.criterion, "zero_infinity", False):
            return {"loss": loss}
        repeats = ((target[:, 1:] == target[:, :-1]) & (target[:, 1:] != BLANK)).sum(1)
        return {"loss": loss, "too_short": (lengths < target_length + repeats).to(loss.dtype).mean()}

    def compare(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Returns nothing to judge, (B, 0), for each text: to find texts takes too long for a step of training."""
        lengths = batch["target_length"]
        return lengths.new_zeros(len(lengths), 0), lengths

    def _evaluation_step(self, batch: Batch, record: StageMetrics) -> dict[str, Any]:
        outputs = self(batch)
        decoders: set[Decoder] = {"greedy", "beam"} if record is self.test_record else {self.decoder}
        ordered = sorted(decoders, key=lambda name: name != self.decoder)  # the one that is judged first
        texts = {name: self.decode(outputs, batch, name) for name in ordered}
        counts = count_errors(texts[self.decoder], batch["target"], separator=self.separator)
        if record.append(self.losses(outputs, batch), counts, batch["target_length"]):
            record.feed()
        return {"texts": texts, "index": batch["index"]}

    def decode(self, outputs: Tensor, batch: Batch, decoder: Decoder) -> Tensor:
        """Returns texts (B, N), filled up with 0."""
        log_probabilities, lengths = _log_probabilities(outputs), self._lengths(batch)
        if decoder == "greedy":
            return ctc_greedy(log_probabilities, lengths)
        return ctc_beam(log_probabilities, lengths, beam_width=self.beam_width)[0]

    def _lengths(self, batch: Batch) -> Tensor:
        return cast(Tensor, self.model.output_lengths(batch["input_length"]))  # type: ignore[operator]


def count_errors(texts: Tensor, targets: Tensor, *, separator: int | None) -> Tensor:
    """Counts what is to be changed, added or left out of each text.

    Args:
        texts: what was found, (B, N), filled up with 0.
        targets: what is said, (B, U), likewise.
        separator: the token between two words; None where each token is a word.

    Returns:
        For each text, int64 (B, 4): wrong words, words said, wrong characters, characters said.
    """
    counts = []
    for text, target in zip(texts.tolist(), targets.tolist(), strict=True):
        found, said = ([token for token in tokens if token != BLANK] for tokens in (text, target))
        of_words, of_said = _words(found, separator), _words(said, separator)
        words = edit_distance(of_words, of_said), len(of_said)
        counts.append([*words, edit_distance(found, said), len(said)])
    return torch.tensor(counts, device=targets.device)


def _words(tokens: Sequence[int], separator: int | None) -> list[tuple[int, ...]]:
    """Returns the words of a text."""
    if separator is None:
        return [(token,) for token in tokens]
    words: list[list[int]] = [[]]
    for token in tokens:
        if token == separator:
            words.append([])
        else:
            words[-1].append(token)
    return [tuple(word) for word in words if word]


def _log_probabilities(logits: Tensor) -> Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=-1)
