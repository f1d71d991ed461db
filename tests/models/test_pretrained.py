import os
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import transforms

from zoo.models.cnn.resnet_cifar import ResNetCIFAR
from zoo.models.cnn.torchvision_model import TorchvisionClassifier
from zoo.models.mlp import MLP
from zoo.models.pretrained import load_weights


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


@pytest.mark.realdata
@pytest.mark.skipif("ZOO_DATA_DIR" not in os.environ, reason="needs the weights in $ZOO_DATA_DIR")
class TestPublishedWeights:
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
