"""The encoder-decoder sees the whole source and what was written, and writes the same with and without a cache."""

import torch
from torch import Tensor

from zoo.models.decoding import decode_greedily
from zoo.models.transformer.encoder_decoder import EncoderDecoder

SOURCE = torch.tensor([[3, 4, 5, 6], [7, 8, 0, 0]])
WRITTEN = torch.tensor([[2, 5, 6], [2, 7, 4]])


def model() -> EncoderDecoder:
    torch.manual_seed(0)
    built = EncoderDecoder(10, 12, max_length=8, embed_dim=16, num_layers=2, num_heads=2)
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return built.eval()


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_padding_of_the_source_changes_no_logit() -> None:
    close(model()(SOURCE, WRITTEN)[1:], model()(SOURCE[1:, :2], WRITTEN[1:]))


def test_every_place_of_the_source_counts_and_no_later_token_does() -> None:
    logits = model()(SOURCE, WRITTEN)
    other, later = SOURCE.clone(), WRITTEN.clone()
    other[0, 3], later[0, 2] = 9, 9
    assert not torch.allclose(model()(other, WRITTEN)[0], logits[0])
    close(model()(SOURCE, later)[0, :2], logits[0, :2])


def test_token_by_token_it_gives_the_logits_of_the_whole() -> None:
    network = model()
    expected, memory, cache = network(SOURCE, WRITTEN), network.encode(SOURCE), None
    for place in range(WRITTEN.shape[1]):
        logits, cache = network.decode(WRITTEN[:, place : place + 1], memory, cache)
        close(logits, expected[:, place])


def test_it_writes_as_much_as_it_may() -> None:
    written = decode_greedily(model(), SOURCE, torch.tensor([2, 2]), max_length=8)
    assert written.shape[0] == 2
    assert 1 <= written.shape[1] <= 8


def test_a_gradient_reaches_every_parameter_and_groups_hold_each_once() -> None:
    network = model()
    network(SOURCE, WRITTEN).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())
    grouped = [id(p) for group in network.layer_groups() for module in group for p in module.parameters()]
    assert sorted(grouped) == sorted(map(id, network.parameters()))


def test_it_learns_to_write_backwards() -> None:
    torch.manual_seed(0)
    network = EncoderDecoder(12, 12, max_length=4, embed_dim=32, num_layers=1, dropout=0.0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    boundary = torch.full((64, 1), 2)
    for _ in range(100):
        source = torch.randint(3, 12, (64, 3))
        target = torch.cat([source.flip(1), boundary], dim=1)
        logits = network(source, torch.cat([boundary, target[:, :-1]], dim=1))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten()).backward()
        optimizer.step()
    source = torch.randint(3, 12, (64, 3))
    written = decode_greedily(network.eval(), source, boundary[:, 0], max_length=4)
    assert written.shape == (64, 4)
    right = (written == torch.cat([source.flip(1), boundary], dim=1)).all(dim=1).float().mean()
    assert right > 0.9
