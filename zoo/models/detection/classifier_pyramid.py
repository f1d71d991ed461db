"""The features of any torchvision classifier at several strides, joined from coarse to fine.

Tsung-Yi Lin et al., "Feature Pyramid Networks for Object Detection", 2016, arXiv:1612.03144.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names
from torchvision.ops import FeaturePyramidNetwork, FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock

from zoo.models.cnn.torchvision_model import TorchvisionClassifier, build_classifier, replace_first_convolution
from zoo.models.cnn.wrapped import stacked_parts
from zoo.ranges import PositiveInt

SIDE = 224  # of the image that shows where the levels are


class ClassifierPyramid(nn.Module):
    """A classifier without its head, and a feature pyramid on top; parts are named as in torchvision's detectors.

    Args:
        name: such as "mobilenet_v2"; `torchvision.models.list_models()` lists them.
        in_channels: channels of the images.
        strides: pixels between two places of each level, ascending.
        out_channels: channels of each level of the pyramid.
        weights: of the classifier, by name such as "DEFAULT"; None for random ones.
        frozen_norm: whether batch norms are constants, as they were trained with the weights.
        extra_blocks: makes coarser levels from the coarsest.

    Raises:
        ValueError: the name or the weights are unknown or not to be had, or the classifier has no such levels.
    """

    def __init__(
        self,
        name: str,
        *,
        in_channels: PositiveInt,
        strides: Sequence[PositiveInt],
        out_channels: PositiveInt,
        weights: str | None = None,
        frozen_norm: bool = False,
        extra_blocks: ExtraFPNBlock | None = None,
    ) -> None:
        super().__init__()
        network = build_classifier(name, weights, {})
        if in_channels != 3:
            replace_first_convolution(network, in_channels, keep_weights=weights is not None)
        if frozen_norm:
            freeze_norms(network)
        levels = _find_levels(network, name, in_channels, strides)
        self.body = create_feature_extractor(network, {node: str(place) for place, node in enumerate(levels)})
        self.fpn = FeaturePyramidNetwork(list(levels.values()), out_channels, extra_blocks)
        self.out_channels = out_channels

    def forward(self, images: Float[Tensor, "B C H W"]) -> "OrderedDict[str, Tensor]":
        """Features by the name of the level, finest first."""
        levels: OrderedDict[str, Tensor] = self.fpn(OrderedDict(self.body(images)))
        return levels

    def layer_groups(self) -> list[list[nn.Module]]:
        """The parts of the classifier, then the pyramid."""
        whole = sum(parameter.numel() for parameter in self.body.parameters())
        return [*([part] for part in stacked_parts(self.body, whole=whole)), [self.fpn]]


def colours_of(name: str) -> dict[str, Any]:
    """Returns the mean and std of the images that the weights of a classifier were trained on.

    Raises:
        ValueError: there is no such classifier.
    """
    found = TorchvisionClassifier.published_preprocessing(name=name)
    return {"mean": found["mean"], "std": found["std"]}


def freeze_norms(network: nn.Module) -> None:
    """Puts constants in the place of batch norms."""
    for path, module in list(network.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            frozen = FrozenBatchNorm2d(module.num_features, eps=module.eps)
            frozen.load_state_dict(module.state_dict())
            network.set_submodule(path, frozen)


def _find_levels(network: nn.Module, name: str, in_channels: int, strides: Sequence[int]) -> Mapping[str, int]:
    """Returns the last node of each stride that all of the network goes through, and its channels.

    Raises:
        ValueError: there is none for some stride.
    """
    network.eval()
    nodes = get_graph_node_names(network, suppress_diff_warning=True)[1]
    with torch.no_grad():
        everything = create_feature_extractor(network, nodes, suppress_diff_warning=True)
        outputs = everything(torch.zeros(1, in_channels, SIDE, SIDE))
    network.train()
    through = {node for node, is_waist in zip(nodes, _waists(everything.eval_graph), strict=True) if is_waist}
    images = {node: value for node, value in outputs.items() if isinstance(value, Tensor) and value.ndim == 4}
    images = {node: value for node, value in images.items() if node in through}
    levels = {}
    for stride in strides:
        sides = (SIDE // stride, SIDE // stride)
        fitting = [node for node, value in images.items() if value.shape[2:] == sides]
        if not fitting:
            found = {SIDE // value.shape[-1] for value in images.values()}
            rule = f"no features at stride {stride}, but at {', '.join(map(str, sorted(found - {SIDE})))}"
            raise ValueError(f"backbone {name}: {rule}; set strides to some of them, or choose another backbone")
        levels[fitting[-1]] = images[fitting[-1]].shape[1]
    return levels


def _waists(graph: fx.Graph) -> list[bool]:
    """Tells of each node whether no path leads around it: so the inside of a residual block is none."""
    nodes = [node for node in graph.nodes if node.op != "output"]
    places = {node: place for place, node in enumerate(nodes)}
    furthest, found = 0, []
    for place, node in enumerate(nodes):
        found.append(furthest <= place)
        furthest = max([furthest, *(places[user] for user in node.users if user in places)])
    return found
