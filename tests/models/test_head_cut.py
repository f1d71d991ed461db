import pytest
import torch
from torch import nn

from zoo.models.cnn.resnet_cifar import ResNetCIFAR
from zoo.models.cnn.torchvision_model import TorchvisionClassifier
from zoo.models.head_cut import HeadCut
from zoo.models.transformer.vit import ViT

IMAGES = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("make", "shape", "chain"),
    [
        (lambda: ResNetCIFAR(5, 3, depth=8, width=4, dropout=0.5), (16,), ["Dropout", "Linear"]),
        (lambda: ViT(5, embed_dim=8, num_layers=1), (8,), ["Linear"]),
        (lambda: TorchvisionClassifier(5, 3, name="mobilenet_v2"), (1280,), ["Dropout", "Linear"]),
        (lambda: TorchvisionClassifier(5, 3, name="mobilenet_v3_small"), (1024,), ["Hardswish", "Dropout", "Linear"]),
    ],
)
def test_the_head_of_the_features_is_the_model(make, shape: tuple[int, ...], chain: list[str]) -> None:
    model = make()
    cut = HeadCut(model, IMAGES)
    assert [type(module).__name__ for module in cut.chain] == chain
    assert model.training
    model.eval()
    assert cut.features(IMAGES).shape[1:] == shape
    torch.testing.assert_close(cut.head(cut.features(IMAGES)), model(IMAGES))


def test_a_head_that_is_no_chain_is_refused() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.gate, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            features = self.body(x)
            return self.head(features) * self.gate(features)

        def layer_groups(self) -> list[list[nn.Module]]:
            return [[self.body], [self.gate, self.head]]

    with pytest.raises(ValueError, match="Gated: its head is no chain of modules"):
        HeadCut(Gated(), torch.ones(2, 4))


def test_so_is_one_after_which_something_is_computed() -> None:
    with pytest.raises(ValueError, match="its head is no chain of modules"):
        HeadCut(TorchvisionClassifier(5, 3, name="squeezenet1_1"), IMAGES)  # it flattens the output
