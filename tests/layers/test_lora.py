import copy

import pytest
import torch
from torch import nn

from zoo.layers.lora import add_adapters


def network() -> nn.Sequential:
    torch.manual_seed(0)
    convolutions = (nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.Conv2d(6, 6, 3, groups=6))
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(24, 7))


IMAGES = torch.arange(2 * 3 * 8 * 8).view(2, 3, 8, 8) / 100


def test_a_new_adapter_changes_nothing() -> None:
    plain, adapted = network(), network()
    assert add_adapters(adapted, rank=2, alpha=4, targets="") == 2  # a convolution in groups gets none
    assert torch.equal(plain(IMAGES), adapted(IMAGES))
    assert set(plain.state_dict()) < set(adapted.state_dict())


def test_an_adapter_is_the_sum_of_its_layer_and_a_product_of_two_matrices() -> None:
    model = network()
    add_adapters(model, rank=2, alpha=4, targets="")
    nn.init.normal_(model[0].adapter.up.weight)
    nn.init.normal_(model[3].adapter.up.weight)
    merged = network()
    for index in (0, 3):
        down, up = model[index].adapter.down.weight, model[index].adapter.up.weight
        merged[index].weight.data += 4 / 2 * (up.flatten(1) @ down.flatten(1)).view_as(merged[index].weight)
    torch.testing.assert_close(model(IMAGES), merged(IMAGES), atol=1e-4, rtol=1e-4)


def test_a_copy_adds_its_own_adapters() -> None:
    model = network()
    add_adapters(model, rank=2, alpha=4, targets="")
    copied = copy.deepcopy(model)
    nn.init.normal_(copied[3].adapter.up.weight)
    assert torch.equal(model(IMAGES), network()(IMAGES))
    assert not torch.equal(copied(IMAGES), model(IMAGES))


def test_targets_choose_layers_by_name() -> None:
    model = network()
    assert add_adapters(model, rank=2, alpha=4, targets="^3$") == 1
    assert not hasattr(model[0], "adapter")


def test_attention_of_torch_which_does_not_call_its_layers_gets_no_adapter() -> None:
    with pytest.raises(ValueError, match="no linear layer or convolution is named so"):
        add_adapters(nn.MultiheadAttention(8, 2), rank=2, alpha=4, targets="")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"rank": 8, "targets": "3"},
            r"3: rank 8: a layer of weight \[7, 24\] has no more than 7; lower",
        ),
        ({"rank": 2, "targets": "attention"}, "'attention': no linear layer or convolution is named so"),
        ({"rank": 2, "targets": "("}, "no regular expression"),
    ],
)
def test_what_cannot_be_adapted_is_named(options: dict, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        add_adapters(network(), alpha=4, **options)
