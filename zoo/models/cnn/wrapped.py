"""What the classifiers of torchvision and timm have in common here: the interface of this project's models."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from zoo.models.pretrained import LoadReport


class WrappedClassifier(nn.Module):
    """A network of another library, with the interface of this project's models.

    Args:
        network: the network; its last module with parameters is its head.
    """

    # The library's own weights lack the prefix; `load_weights` reads this.
    published_names: ClassVar[Mapping[str, str]] = {"^": "network."}
    ignored_names: ClassVar[str] = r"\.(aux\d|AuxLogits)\."  # heads that only train beside the real one
    load_report: LoadReport | None = None  # of weights that were named by `weights`

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Logits of the images."""
        logits: Tensor = self.network(x)  # (B, K)
        return logits

    def loaded(self, adapted: Mapping[str, str]) -> LoadReport:
        """Returns the report of weights that the library itself has loaded, all but the head.

        Args:
            adapted: what was given another shape, and how.
        """
        head = {id(parameter) for module in self.layer_groups()[-1] for parameter in module.parameters()}
        fresh = [name for name, parameter in self.named_parameters() if id(parameter) in head]
        return LoadReport([name for name in self.state_dict() if name not in fresh], [], [], fresh, [], dict(adapted))

    def layer_groups(self) -> list[list[nn.Module]]:
        """The network cut where it was stacked, input to head; a norm joins the layer before it."""
        groups: list[list[nn.Module]] = []
        for part in stacked_parts(self.network, whole=_num_parameters(self.network)):
            is_norm = all(parameter.ndim == 1 for parameter in part.parameters())
            if is_norm and groups:
                groups[-1].append(part)
            else:
                groups.append([part])
        return groups


def _num_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def stacked_parts(module: nn.Module, *, whole: int) -> Iterator[nn.Module]:
    """The parts of a network in order; containers are opened, and so is what holds more than half of the network."""
    own_parameters = list(module.parameters(recurse=False))
    if own_parameters:  # such as the class token of a vision transformer
        yield nn.ParameterList(own_parameters)
    for child in module.children():
        is_container = isinstance(child, nn.Sequential | nn.ModuleList) or _num_parameters(child) > whole / 2
        if is_container and any(True for _ in child.children()):
            yield from stacked_parts(child, whole=whole)
        elif _num_parameters(child) > 0:
            yield child
