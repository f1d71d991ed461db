"""How widely attention looks in one step of training, of any layer whose class is called an attention.

The fused kernels give no weights, and other kernels would change the step: weights are computed once more, of a few
samples and places, and only while such a layer runs in a step that is looked at.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

_SAMPLES, _PLACES = 4, 32  # that are looked at
_SOFTMAX = (torch.softmax, F.softmax, Tensor.softmax)


class AttentionFigures:
    """Hooks that note the entropy of attention.

    Args:
        model: what is trained.

    Attributes:
        entropies: as shares of that of looking at all visible places alike, by the name of the layer; on the device.
    """

    def __init__(self, model: nn.Module) -> None:
        self.entropies: dict[str, Tensor] = {}
        self._running: list[ExitStack] = []
        self._hooks: list[RemovableHandle] = []
        found = {name: module for name, module in model.named_modules() if "Attention" in type(module).__name__}
        for name, module in found.items():
            if not any(other.startswith(f"{name}.") for other in found):  # those within it are told by themselves
                self._hooks += [
                    module.register_forward_pre_hook(partial(self._enter, name)),
                    module.register_forward_hook(self._leave, always_call=True),
                ]

    def remove(self) -> None:
        """Takes the hooks off."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        while self._running:
            self._running.pop().close()

    def _enter(self, name: str, module: nn.Module, inputs: Any) -> None:
        recorder = _Recorder(name, self.entropies if module.training else {})
        running = ExitStack()
        running.enter_context(recorder)
        self._running.append(running)

    def _leave(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if self._running:
            self._running.pop().close()


class _Recorder(TorchFunctionMode):
    def __init__(self, name: str, entropies: dict[str, Tensor]) -> None:
        super().__init__()
        self.name, self.entropies = name, entropies

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        weights = None
        if func is F.scaled_dot_product_attention:
            weights = _weights(*args, **kwargs)
        elif func is F.multi_head_attention_forward:
            weights = _weights_of_torch(*args, **kwargs)
        elif func in _SOFTMAX and isinstance(result, Tensor) and result.ndim >= 2:
            weights = result.detach()[:_SAMPLES]
        if weights is not None:
            self.entropies[self.name] = entropy(weights)
        return result


@torch.no_grad()
def entropy(weights: Tensor) -> Tensor:
    """Returns the mean entropy of attention, as a share of that of looking everywhere alike; NaN where none chooses.

    Args:
        weights: that add up to one over the last dimension, (..., S); what is 0 is not to be seen.
    """
    weights = weights.float()
    most = (weights > 0).sum(-1).float().log()
    own = torch.special.entr(weights).sum(-1)
    chooses = most > 0
    return torch.where(chooses, own / most.clamp_min(1e-6), 0).sum() / chooses.sum()


@torch.no_grad()
def _weights(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor | None:
    """Returns the weights of some of the queries of `scaled_dot_product_attention`, (B, H, T, S)."""
    if queries.ndim != 4 or queries.shape[1] != keys.shape[1]:
        return None
    length, memory_length = queries.shape[2], keys.shape[2]
    # The last places of a causal sequence see most.
    places = torch.linspace(0, length - 1, min(_PLACES, length), device=queries.device).round().long()
    chosen = queries[:_SAMPLES].index_select(2, places).float()
    with torch.autocast(queries.device.type, enabled=False):
        scores = chosen @ keys[:_SAMPLES].float().transpose(-2, -1) * (scale or queries.shape[-1] ** -0.5)
    if is_causal:
        hidden = torch.arange(memory_length, device=queries.device) > places[:, None]
        scores = scores.masked_fill(hidden, -torch.inf)
    if attn_mask is not None:
        mask = attn_mask.expand(*queries.shape[:2], length, memory_length)[:_SAMPLES].index_select(2, places)
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return scores.softmax(-1)


@torch.no_grad()
def _weights_of_torch(query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Tensor | None:
    """Returns the weights that `nn.MultiheadAttention` computes but does not give, (B, T, S), as means over heads."""
    mask, padding = kwargs.get("attn_mask"), kwargs.get("key_padding_mask")
    if query.ndim != 3 or (mask is not None and mask.ndim != 2):
        return None
    own = {**kwargs, "need_weights": True, "training": False, "average_attn_weights": False, "is_causal": False}
    own["key_padding_mask"] = None if padding is None else padding[:_SAMPLES]
    few: Any = [part[:, :_SAMPLES].detach() for part in (query, key, value)]
    return F.multi_head_attention_forward(*few, *args, **own)[1]
