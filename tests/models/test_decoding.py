"""Greedy decoding: where it ends, what it never writes, and that it works on every model with encoder and decoder."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zoo.models.decoding import EncoderDecoder, decode_greedily
from zoo.models.recurrent.seq2seq import Seq2Seq
from zoo.models.transformer.encoder_decoder import EncoderDecoder as Transformer

END = 9


class Copying:
    """Writes what it has read, token by token, then the end; padding is always what it likes best."""

    def encode(self, source: Tensor) -> Tensor:
        return source

    def decode(self, tokens: Tensor, memory: Tensor, cache: Any | None = None) -> tuple[Tensor, int]:
        place = 0 if cache is None else cache
        end = torch.full((len(memory),), END)
        following = memory[:, place] if place < memory.shape[1] else end
        logits = nn.functional.one_hot(torch.where(following == 0, end, following), END + 1).float()
        logits[:, 0] = 2.0
        return logits, place + 1


def test_each_text_ends_where_its_end_is_written_and_padding_stands_behind() -> None:
    source = torch.tensor([[3, 4, 5], [7, 0, 0]])
    written = decode_greedily(Copying(), source, torch.full((2,), END), max_length=20)
    assert written.tolist() == [[3, 4, 5, END], [7, END, 0, 0]]


def test_a_text_that_does_not_end_is_cut() -> None:
    written = decode_greedily(Copying(), torch.tensor([[3, 4, 5]]), torch.tensor([END]), max_length=2)
    assert written.tolist() == [[3, 4]]


@pytest.mark.parametrize("kind", ["recurrent", "transformer"])
def test_it_writes_what_the_full_forward_pass_finds_most_probable(kind: str) -> None:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"source_vocab_size": 12, "target_vocab_size": END + 1}
    model = Seq2Seq(**sizes, hidden_size=16) if kind == "recurrent" else Transformer(**sizes, embed_dim=16)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    assert isinstance(model.eval(), EncoderDecoder)
    source = torch.randint(1, 12, (4, 7))
    source[1, 4:] = 0
    boundary = torch.full((4,), END)
    written = decode_greedily(model, source, boundary, max_length=10)
    logits = model(source, torch.cat([boundary.unsqueeze(1), written[:, :-1]], dim=1))
    logits[..., 0] = -torch.inf
    real = written != 0
    assert torch.equal(logits.argmax(-1)[real], written[real])
