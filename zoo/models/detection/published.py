"""Weights that torchvision publishes of detectors, and of the classifiers that these stand on."""

from typing import Any

from torch import nn

from zoo.checkpoint import UnreadableFileError, load_file
from zoo.layers.naming import unknown_name
from zoo.models.pretrained import hub_file

NUM_CLASSES = 91  # of COCO, as torchvision counts them


def published(name: str | None, backbone: str, weights: str | None) -> tuple[Any, str | None]:
    """Tells which weights a name means: those of a whole detector come first.

    Args:
        name: what torchvision calls the detector on this backbone, None where it publishes none.
        backbone: a classifier of torchvision.
        weights: a name such as "DEFAULT", "COCO_V1" or "IMAGENET1K_V1"; None for no weights.

    Returns:
        The detector's weights, or None, and the name of the backbone's, or None.

    Raises:
        ValueError: there are none of this name.
    """
    from torchvision import models

    if weights is None:
        return None, None
    whole = models.get_model_weights(name).__members__ if name else {}
    if weights in whole:
        return whole[weights], None
    if backbone not in models.list_models(module=models):
        return None, weights  # which is refused by its name
    of_backbone = models.get_model_weights(backbone).__members__
    if weights not in of_backbone:
        raise unknown_name(f"weights of {name or 'a detector'} on {backbone}", weights, [*whole, *of_backbone])
    return None, weights


def load_published(network: nn.Module, weights: Any) -> None:
    """Loads a whole detector's weights, downloaded where they are not there.

    Args:
        network: with as many classes as the weights.
        weights: torchvision's entry of them.

    Raises:
        ValueError: they cannot be had, or do not fit.
    """
    path = hub_file(weights.url, str(weights))
    try:
        load_state(network, load_file(path))
    except (UnreadableFileError, RuntimeError) as error:
        problem = str(error).splitlines()[0]
        raise ValueError(f"weights {path.name} cannot be loaded ({problem}); remove {path} and start again") from error


def load_state(network: nn.Module, state: dict[str, Any]) -> None:
    """Loads all tensors; only counters of norms, which frozen ones lack, may be missing.

    Raises:
        RuntimeError: some do not fit.
    """
    report = network.load_state_dict(state, strict=False)
    missing = [name for name in report.missing_keys if not name.endswith("num_batches_tracked")]
    if missing or report.unexpected_keys:
        raise RuntimeError(f"missing {missing[:3]}, unexpected {report.unexpected_keys[:3]}")
