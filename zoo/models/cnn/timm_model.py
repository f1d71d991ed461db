"""Any image classifier of timm by its name: about a thousand more backbones, with the extra `zoo[timm]`."""

from collections.abc import Mapping
from pickle import UnpicklingError
from typing import Any

from torch import nn

from zoo.layers.naming import unknown_name
from zoo.models.cnn.wrapped import WrappedClassifier
from zoo.models.pretrained import tensors_only
from zoo.ranges import PositiveInt

# Arguments by which timm would load a file that nobody has named as weights, or one of any address.
_HIDDEN = {"checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay"}


class TimmClassifier(WrappedClassifier):
    """A classifier of timm; timm itself fits the head, and the first convolution to the channels.

    Args:
        num_classes: K, number of classes.
        in_channels: C, channels of the images.
        name: such as "mobilenetv3_small_100"; `timm.list_models()` lists them.
        weights: None starts from random weights; "DEFAULT" downloads those that timm prefers, other text those of that
            tag, such as "a1_in1k".
        arguments: more arguments of `timm.create_model`, such as {"drop_path_rate": 0.1}, or {"img_size": 64} for a
            transformer.

    Raises:
        ValueError: if timm is not installed, the name or an argument is unknown, or the weights cannot be downloaded.
    """

    def __init__(
        self,
        num_classes: PositiveInt,
        in_channels: PositiveInt,
        *,
        name: str = "mobilenetv3_small_100",
        weights: str | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        tagged = name if weights in (None, "DEFAULT") else f"{name}.{weights}"
        if hidden := _HIDDEN & set(arguments or {}):
            raise ValueError(f"timm {name}: weights are not named in arguments; give pretrained=, not {min(hidden)}")
        arguments = {"num_classes": num_classes, "in_chans": in_channels, **dict(arguments or {})}
        network = _build(tagged, pretrained=weights is not None, **arguments)
        super().__init__(network)


def _build(name: str, **arguments: Any) -> nn.Module:
    try:
        import timm
    except ImportError as error:
        raise ValueError(f"model {name}: timm is not installed; run `make install EXTRAS=dev,timm`") from error
    if not timm.is_model(name.partition(".")[0]):  # what follows the dot names pretrained weights
        raise unknown_name("timm model", name, timm.list_models())
    try:
        with tensors_only():
            network: nn.Module = timm.create_model(name, **arguments)
    except UnpicklingError as error:
        raise ValueError(f"weights of timm {name} hold more than tensors; choose other weights") from error
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"timm {name}: {error}; correct the arguments, or choose another model") from error
    except OSError as error:
        remedy = "connect to the internet once, or set weights to null"
        raise ValueError(f"weights of timm {name} cannot be downloaded ({error}); {remedy}") from error
    return network
