import torch
from torch import Tensor, nn

from zoo.optim.parameter_groups import decayed_parameters, parameter_groups


class SmallTransformer(nn.Module):
    """One of each kind of parameter that decides about decay."""

    def __init__(self) -> None:
        super().__init__()
        self.class_token = nn.Parameter(torch.zeros(1, 1, 8))
        self.pos_embed = nn.Parameter(torch.zeros(1, 4, 8))
        self.layer_scale = nn.Parameter(torch.ones(8, 1, 1))
        self.token_embedding = nn.Embedding(11, 8)
        self.patches = nn.Conv2d(3, 8, 2)
        self.norm = nn.LayerNorm((4, 8))
        self.hidden = nn.Linear(8, 8)
        self.head = nn.Linear(8, 11)


class TiedModel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 11, bias=False)
        self.embedding = nn.Embedding(11, 8)
        self.embedding.weight = self.head.weight


def tensors(group: dict) -> list[Tensor]:
    return [parameter for _, parameter in group["params"]]


def test_only_weights_that_multiply_features_are_decayed() -> None:
    assert list(decayed_parameters(SmallTransformer())) == ["patches.weight", "hidden.weight", "head.weight"]


def test_every_parameter_is_in_exactly_one_group() -> None:
    model = SmallTransformer()
    model.hidden.requires_grad_(False)
    decay, no_decay = parameter_groups(model, 0.1)
    assert (decay["name"], decay["weight_decay"], no_decay["name"], no_decay["weight_decay"]) == (
        "decay",
        0.1,
        "no_decay",
        0.0,
    )
    ids = [id(parameter) for parameter in tensors(decay) + tensors(no_decay)]
    assert len(ids) == len(set(ids))
    assert set(ids) == {id(parameter) for parameter in model.parameters()}


def test_a_tied_weight_appears_once_and_is_not_decayed_as_an_embedding_is_not() -> None:
    (group,) = parameter_groups(TiedModel(), 0.1)
    assert group["name"] == "no_decay"
    assert [name for name, _ in group["params"]] == ["head.weight"]


def test_recurrent_weights_are_decayed_and_their_biases_are_not() -> None:
    assert list(decayed_parameters(nn.LSTM(3, 4))) == ["weight_ih_l0", "weight_hh_l0"]
