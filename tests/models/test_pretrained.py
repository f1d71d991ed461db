import os
from pathlib import Path

import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torchvision import transforms

from zoo.build import build_model
from zoo.config.entry import compose
from zoo.models.cnn.resnet_cifar import ResNetCIFAR
from zoo.models.cnn.torchvision_model import TorchvisionClassifier
from zoo.models.mlp import MLP
from zoo.models.pretrained import load_weights
from zoo.models.transformer.vit import ViT


def _mlp(num_classes: int = 5, hidden_size: int = 8) -> MLP:
    return MLP(num_classes, 1, image_size=4, hidden_sizes=[hidden_size])


def _same_weights(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "model._orig_mod."])
@pytest.mark.parametrize("wrapped", [False, True])
def test_weights_load_whatever_wrapped_them_when_saved(tmp_path: Path, prefix: str, wrapped: bool) -> None:
    source, target = _mlp(), _mlp()
    state = {f"{prefix}{name}": value for name, value in source.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3} if wrapped else state, tmp_path / "weights.pt")
    report = load_weights(target, tmp_path / "weights.pt")
    assert _same_weights(source, target)
    assert report.matched == list(target.state_dict())
    assert not (report.missing or report.unexpected or report.reshaped)


def test_of_a_lightning_checkpoint_only_the_model_is_read(tmp_path: Path) -> None:
    source, target = _mlp(), _mlp()
    state = {f"model.{name}": value for name, value in source.state_dict().items()}
    content = {"state_dict": state | {"criterion.weight": torch.ones(5)}, "pytorch-lightning_version": "2.6.6"}
    torch.save(content, tmp_path / "last.ckpt")
    load_weights(target, tmp_path / "last.ckpt")
    assert _same_weights(source, target)


def test_a_head_for_other_classes_keeps_its_start_values_and_is_reported(tmp_path: Path) -> None:
    source, target = _mlp(num_classes=5), _mlp(num_classes=3)
    before = target.head.weight.detach().clone()
    torch.save(source.state_dict(), tmp_path / "weights.pt")
    report = load_weights(target, tmp_path / "weights.pt")
    assert report.reshaped == ["head.weight", "head.bias"]
    assert str(report) == "loaded 2 tensors; kept their start values: head.weight, head.bias"
    assert torch.equal(target.head.weight, before)
    assert torch.equal(target.hidden[0][0].weight, source.hidden[0][0].weight)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda state: state.pop("hidden.0.0.weight"), "1 tensors missing in the file: hidden.0.0.weight"),
        (lambda state: state.update({"extra.weight": torch.ones(1)}), "1 tensors unexpected in the file: extra.weight"),
        (lambda state: state.update({"hidden.0.0.bias": torch.ones(9)}), "1 tensors of another shape: hidden.0.0.bias"),
    ],
)
def test_a_difference_outside_the_head_is_refused_and_loads_nothing(tmp_path: Path, change, problem: str) -> None:
    target = _mlp()
    before = target.hidden[0][0].bias.detach().clone()
    state = _mlp().state_dict()
    change(state)
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=problem):
        load_weights(target, tmp_path / "weights.pt")
    assert torch.equal(target.hidden[0][0].bias, before)


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 truncated"])
def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read"):
        load_weights(_mlp(), path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        load_weights(_mlp(), tmp_path / "none.pt")


@pytest.mark.parametrize("content", [torch.ones(3), {"epoch": 3}, {}, {"state_dict": {"weight": "no tensor"}}])
def test_a_file_without_tensors_by_name_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="holds no tensors by name"):
        load_weights(_mlp(), tmp_path / "weights.pt")


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    torch.save(_mlp(), tmp_path / "model.pt")  # a pickled object, not tensors
    with pytest.raises(ValueError, match="cannot be read"):
        load_weights(_mlp(), tmp_path / "model.pt")


def test_torchvisions_own_names_load_into_the_wrapped_network(tmp_path: Path) -> None:
    source, target = (TorchvisionClassifier(5, 3, name="squeezenet1_1") for _ in range(2))
    torch.save(source.network.state_dict(), tmp_path / "weights.pt")
    load_weights(target, tmp_path / "weights.pt")
    assert _same_weights(source, target)


def test_safetensors_load_and_a_damaged_file_of_them_is_refused(tmp_path: Path) -> None:
    source, target, path = _mlp(), _mlp(), tmp_path / "weights.safetensors"
    save_file(source.state_dict(), path)
    load_weights(target, path)
    assert _same_weights(source, target)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="cannot be read"):
        load_weights(target, path)


@pytest.mark.parametrize(("before", "after"), [(3, 1), (1, 3), (3, 4)])
def test_the_first_convolution_takes_the_kernels_of_other_channels(tmp_path: Path, before: int, after: int) -> None:
    source, target = (ResNetCIFAR(5, channels, depth=8, width=4).eval() for channels in (before, after))
    torch.save(source.state_dict(), tmp_path / "weights.pt")
    report = load_weights(target, tmp_path / "weights.pt")
    assert str(report).endswith(f"adapted: stem.conv.weight from [4, {before}, 3, 3] to [4, {after}, 3, 3]")
    grey = torch.randn(2, 1, 8, 8)
    expected = source(grey.expand(-1, before, -1, -1))
    torch.testing.assert_close(target(grey.expand(-1, after, -1, -1)), expected, atol=1e-4, rtol=1e-4)


def test_positions_are_interpolated_for_images_of_another_size(tmp_path: Path) -> None:
    source, target = (ViT(5, image_size=size, patch_size=4, embed_dim=8, num_layers=1).eval() for size in (16, 24))
    torch.save(source.state_dict(), tmp_path / "weights.pt")
    report = load_weights(target, tmp_path / "weights.pt")
    assert report.adapted == {"positions.embedding": "from [4, 4, 8] to [6, 6, 8]"}
    images = torch.randn(2, 3, 24, 24)
    torch.testing.assert_close(target(images), source(images))  # which interpolates while it computes


def test_so_are_those_of_torchvisions_transformers() -> None:
    with torch.device("meta"):
        model = TorchvisionClassifier(5, 3, name="vit_b_32", image_size=64)
    saved = torch.randn(1, 50, 768)
    fitted = model.fitted("network.encoder.pos_embedding", saved)
    assert fitted is not None and fitted.shape == model.network.encoder.pos_embedding.shape == (1, 5, 768)
    assert torch.equal(fitted[:, 0], saved[:, 0])  # of the class token


def test_a_head_of_other_classes_keeps_its_start_values(tmp_path: Path) -> None:
    source, target = _mlp(), _mlp()
    before = target.head.weight.detach().clone()
    state = {f"model.{name}": value for name, value in source.state_dict().items()}
    saved = {"state_dict": state, "pytorch-lightning_version": "2", "zoo": {"class_names": list("abcde")}}
    torch.save(saved, tmp_path / "best.ckpt")
    report = load_weights(target, tmp_path / "best.ckpt", class_names=["a", "b", "c", "d", "f"])
    assert torch.equal(target.head.weight, before)
    kept = "kept their start values, since the file has other classes: head.weight, head.bias"
    assert str(report) == f"loaded 2 tensors; {kept}"
    load_weights(target, tmp_path / "best.ckpt", class_names=list("abcde"))
    assert _same_weights(source, target)


def test_auxiliary_heads_of_a_published_file_are_left_out(tmp_path: Path) -> None:
    published = torchvision.models.googlenet(init_weights=False)
    torch.save(published.state_dict(), tmp_path / "weights.pt")
    report = load_weights(TorchvisionClassifier(5, 3, name="googlenet"), tmp_path / "weights.pt")
    assert {name.split(".")[1] for name in report.unexpected} == {"aux1", "aux2"}


class PublishedBlock(nn.Module):
    """A block of `PublishedResNet20`."""

    def __init__(self, in_planes: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.stride, self.added = stride, (planes - in_planes) // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        shortcut = x[:, :, :: self.stride, :: self.stride]  # option A of the paper: no parameters
        return torch.relu(out + nn.functional.pad(shortcut, (0, 0, 0, 0, self.added, self.added)))


class PublishedResNet20(nn.Module):
    """The network as its weights were published, with their names: github.com/akamaster/pytorch_resnet_cifar10."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        planes = 16
        for index, width in enumerate((16, 32, 64), start=1):
            strides = [1 if width == 16 else 2, 1, 1]
            blocks = [PublishedBlock(planes if i == 0 else width, width, stride) for i, stride in enumerate(strides)]
            self.add_module(f"layer{index}", nn.Sequential(*blocks))
            planes = width
        self.linear = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        return self.linear(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


@pytest.mark.realdata
@pytest.mark.skipif("ZOO_DATA_DIR" not in os.environ, reason="needs the weights in $ZOO_DATA_DIR")
class TestPublishedWeights:
    def test_logits_are_those_of_the_published_resnet20(self) -> None:
        path = Path(os.environ["ZOO_DATA_DIR"]) / "weights" / "resnet20_cifar10.th"
        state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
        published = PublishedResNet20().eval()
        published.load_state_dict({name.removeprefix("module."): value for name, value in state.items()})
        ours = build_model(compose(["data=cifar10", "model=resnet_cifar", f"pretrained={path}"])).eval()
        images = torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(ours(images), published(images), atol=1e-5, rtol=0)

    def test_resnet20_for_cifar10_loads_completely(self) -> None:
        model = ResNetCIFAR(10, 3, depth=20)
        report = load_weights(model, Path(os.environ["ZOO_DATA_DIR"]) / "weights" / "resnet20_cifar10.th")
        assert not (report.missing or report.unexpected or report.reshaped)
        assert (
            len(report.matched) == 19 * 5 + 2
        )  # 19 convolutions, each with a kernel and four tensors of its norm, and the head

    def test_resnet20_for_cifar10_keeps_its_body_with_another_head(self) -> None:
        report = load_weights(
            ResNetCIFAR(3, 3, depth=20), Path(os.environ["ZOO_DATA_DIR"]) / "weights" / "resnet20_cifar10.th"
        )
        assert report.reshaped == ["head.weight", "head.bias"]

    def test_mobilenet_for_imagenet_loads_into_the_wrapped_network(self) -> None:
        model = TorchvisionClassifier(2, 3, name="mobilenet_v2")
        report = load_weights(model, Path(os.environ["ZOO_DATA_DIR"]) / "weights" / "mobilenet_v2_imagenet.pth")
        assert report.reshaped == ["network.classifier.1.weight", "network.classifier.1.bias"]
        assert not (report.missing or report.unexpected)

    def test_resnet20_meets_the_activations_it_was_trained_with(self) -> None:
        """Photographs give the means its norms have stored: 0.99; with zeros padded at one side it is 0.80."""
        model = ResNetCIFAR(10, 3, depth=20).eval()
        load_weights(model, Path(os.environ["ZOO_DATA_DIR"]) / "weights" / "resnet20_cifar10.th")
        # CIFAR's classes and the insects differ, but both are photographs at 32x32, normalised as for ImageNet.
        transform = transforms.Compose(
            [
                transforms.Resize(32),
                transforms.CenterCrop(32),
                transforms.ToTensor(),
                transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        )
        photos = sorted((Path(os.environ["ZOO_DATA_DIR"]) / "hymenoptera" / "val").glob("*/*.jpg"))[::3]
        images = torch.stack([transform(Image.open(photo).convert("RGB")) for photo in photos])
        block = model.stages[1][1]
        seen = []
        block.norm1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].mean(dim=(0, 2, 3))))
        with torch.no_grad():
            model(images)
        assert torch.corrcoef(torch.stack([seen[0], block.norm1.running_mean]))[0, 1] > 0.95
