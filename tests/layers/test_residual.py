import pytest
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock as TorchvisionBlock

from zoo.layers.residual import BasicBlock, PaddingShortcut, PreActivationBlock


def _copy_weights(source: nn.Module, target: nn.Module, names: dict[str, str]) -> None:
    state = {}
    for name, value in source.state_dict().items():
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        state[name] = value
    target.load_state_dict(state)


@pytest.mark.parametrize(("in_channels", "stride"), [(16, 1), (8, 2)])
def test_the_basic_block_equals_torchvisions(in_channels: int, stride: int) -> None:
    torch.manual_seed(0)
    projection = nn.Sequential(nn.Conv2d(in_channels, 16, 1, stride, bias=False), nn.BatchNorm2d(16))
    theirs = TorchvisionBlock(in_channels, 16, stride, projection if stride == 2 else None)
    ours = BasicBlock(in_channels, 16, stride=stride)
    _copy_weights(ours, theirs, {"norm": "bn", "shortcut": "downsample"})
    x = torch.randn(4, in_channels, 9, 9)
    torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=0)


def test_the_pre_activation_block_is_its_formula() -> None:
    torch.manual_seed(0)
    block = PreActivationBlock(8, 16, stride=2).eval()
    x = torch.randn(2, 8, 6, 6)
    activated = block.norm1(x).relu()
    assert block.projection is not None
    expected = block.projection(activated) + block.conv2(block.norm2(block.conv1(activated)).relu())
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("block_class", [BasicBlock, PreActivationBlock])
@pytest.mark.parametrize("norm", ["batch", "layer", "group", None])
def test_a_block_leaves_its_input_alone(block_class: type[nn.Module], norm: str | None) -> None:
    x = torch.randn(2, 8, 6, 6)
    before = x.clone()
    block_class(8, 8, norm=norm)(x)
    assert torch.equal(x, before)


def test_the_padding_shortcut_subsamples_and_adds_zeros_on_both_sides() -> None:
    x = torch.randn(2, 4, 5, 5)
    y = PaddingShortcut(4, 8, stride=2)(x)
    assert torch.equal(y[:, 2:6], x[:, :, ::2, ::2])
    assert not y[:, :2].any()
    assert not y[:, 6:].any()


def test_a_dropped_block_is_its_shortcut() -> None:
    torch.manual_seed(0)
    block = PreActivationBlock(8, 8, drop_path=0.5)
    x = torch.randn(32, 8, 4, 4)
    kept = [torch.equal(before, after) for before, after in zip(x, block(x), strict=True)]
    assert 5 < sum(kept) < 27
