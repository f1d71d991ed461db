"""Where a classifier of images looks: Grad-CAM for convolutional networks, attention rollout for transformers.

Ramprasaath R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
2016, arXiv:1610.02391; Samira Abnar, Willem Zuidema, "Quantifying Attention Flow in Transformers", 2020,
arXiv:2005.00928. Nothing is asked of a model: what it computes is watched while it runs.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class Explanation(NamedTuple):
    """Where a model looked.

    Attributes:
        heat: from 0 to 1 for each pixel, 1 where most, (B, H, W).
        method: how it was found.
    """

    heat: Tensor
    method: Literal["Grad-CAM", "Attention rollout"]


class _Watched(NamedTuple):
    """What was seen of a forward pass.

    Attributes:
        logits: (B, K).
        features: the last map that has more than one place, (B, C, h, w).
        grid: rows and columns of what the last convolution gave, which in a transformer are those of the patches.
        attention: of each layer, (B, T, T).
    """

    logits: Tensor
    features: Tensor | None
    grid: torch.Size | None
    attention: list[Tensor]


def explain(
    model: nn.Module, images: Float[Tensor, "B C H W"], classes: Int64[Tensor, " B"] | None = None
) -> Explanation | None:
    """Says which parts of images a classifier's opinion comes from.

    Frozen weights, a compiled model and the memory's layout do not matter; the model is left as it was.

    Args:
        model: gives logits (B, K); its last map of features is found by running it.
        images: as the model takes them.
        classes: the class of each image that is explained; None for the likeliest one. Rollout does not depend on it.

    Returns:
        The explanation; None of a model that has neither a map of features nor attention to all places.
    """
    model = getattr(model, "_orig_mod", model)
    # cuDNN's recurrent layers have no gradient in evaluation.
    no_cudnn = torch.backends.cudnn.flags(enabled=False)
    with torch.inference_mode(False), torch.enable_grad(), no_cudnn, _in_evaluation(model):
        like = next(model.parameters())
        images = images.detach().clone().to(like.device, like.dtype)
        # A gradient for the images is one for the features, too, where all weights are frozen; a copy may be worked on.
        seen = _watch(model, images.requires_grad_().clone())
        if (heat := _rollout(seen.attention, seen.grid)) is not None:
            return Explanation(_enlarged(heat, images), "Attention rollout")
        if seen.features is None or not seen.features.requires_grad:
            return None
        chosen = seen.logits.argmax(1) if classes is None else classes.clone().to(like.device)
        scores = seen.logits.gather(1, chosen[:, None]).sum()
        gradients: tuple[Tensor | None, ...] = torch.autograd.grad(scores, seen.features, allow_unused=True)
        if gradients[0] is None:
            return None
        weights = gradients[0].float().mean((2, 3), keepdim=True)  # (B, C, 1, 1)
        heat = (weights * seen.features.detach().float()).sum(1).relu()  # (B, h, w)
    return Explanation(_enlarged(heat, images), "Grad-CAM")


def _watch(model: nn.Module, images: Tensor) -> _Watched:
    """Runs a model and notes what passes by."""
    features: list[Tensor] = []
    grids: list[torch.Size] = []

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
            features[:] = [output]
            if isinstance(module, nn.Conv2d):
                grids[:] = [output.shape[2:]]

    handles = [part.register_forward_hook(note) for part in model.modules() if part is not model]
    recorder = _AttentionRecorder()
    try:
        with recorder:
            logits = model.forward(images)  # not `model(images)`, which may be compiled
    finally:
        for handle in handles:
            handle.remove()
    last_features, last_grid = features[0] if features else None, grids[0] if grids else None
    return _Watched(logits, last_features, last_grid, recorder.weights)


class _AttentionRecorder(TorchFunctionMode):
    """Notes the weights of every attention, which the fused kernel does not give, as means over heads."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is F.multi_head_attention_forward:  # in which this mode sees nothing
            result: Any = func(*args, **{**kwargs, "need_weights": True, "average_attn_weights": True})
            self.weights.append(result[1].detach().float())
            return result[0], None
        if func is F.scaled_dot_product_attention and len(args) >= 2:
            queries, keys = args[0].detach().float(), args[1].detach().float()
            if queries.ndim == 4 and queries.shape[:3] == keys.shape[:3]:
                scale = kwargs.get("scale") or queries.shape[-1] ** -0.5
                self.weights.append((queries @ keys.transpose(-2, -1) * scale).softmax(-1).mean(1))
        return func(*args, **kwargs)


def _rollout(attention: list[Tensor], grid: torch.Size | None) -> Tensor | None:
    """Follows attention from the last layer to the patches, half of each layer being what passes by it.

    Args:
        attention: of each layer, (B, T, T).
        grid: rows and columns of patches; what comes before them are tokens such as that of the class.

    Returns:
        How much each patch counts, (B, h, w); None where attention is not between all patches.
    """
    if not attention or grid is None or len({weights.shape for weights in attention}) > 1:
        return None
    length, patches = attention[0].shape[-1], grid[0] * grid[1]
    if length < patches or length > patches + 8:
        return None
    flow = torch.eye(length, device=attention[0].device)
    for weights in attention:
        flow = (weights + torch.eye(length, device=weights.device)) / 2 @ flow
    tokens = length - patches
    read = flow[:, 0] if tokens else flow.mean(1)  # (B, T)
    return read[:, tokens:].reshape(-1, *grid)


def _enlarged(heat: Tensor, images: Tensor) -> Tensor:
    """Spreads heat (B, h, w) over the pixels of images (B, C, H, W), from 0 where it is least to 1 where it is most."""
    heat = F.interpolate(heat[:, None].float(), images.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    low, high = heat.amin((1, 2), keepdim=True), heat.amax((1, 2), keepdim=True)
    return ((heat - low) / (high - low).clamp(min=torch.finfo(heat.dtype).tiny)).detach()


@contextmanager
def _in_evaluation(model: nn.Module) -> Iterator[None]:
    """Puts every part of a model into evaluation, and back as it was."""
    training = [part for part in model.modules() if part.training]
    model.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True
