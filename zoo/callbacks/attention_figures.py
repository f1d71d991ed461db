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
        found = None
        if func is F.scaled_dot_product_attention:
            found = _scores(*args, **kwargs)
        elif func is F.multi_head_attention_forward:
            found = _scores_of_torch(*args, **kwargs)
        elif func in _SOFTMAX and isinstance(args[0], Tensor) and args[0].ndim >= 2:
            found = args[0].detach()[:_SAMPLES]
        if found is not None:
            self.entropies[self.name] = entropy(found)
        return result


@torch.no_grad()
def entropy(scores: Tensor) -> Tensor:
    """Returns the mean entropy of attention, as a share of that of looking everywhere alike; NaN where none chooses.

    Args:
        scores: of which the softmax over the last dimension is taken, (..., S); what is not to be seen has the lowest.
    """
    scores = scores.float()
    most = (scores > -1e30).sum(-1).float().log()
    own = torch.special.entr(scores.softmax(-1)).sum(-1)
    chooses = most > 0
    return torch.where(chooses, own / most.clamp_min(1e-6), 0).sum() / chooses.sum()


@torch.no_grad()
def _scores(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor | None:
    """Returns the scores of some of the queries of `scaled_dot_product_attention`, (B, H, T, S)."""
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
    return scores


@torch.no_grad()
def _scores_of_torch(query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Tensor | None:
    """Returns the scores of `nn.MultiheadAttention`, which gives at most their softmax, (B, H, T, S)."""
    mask, padding = kwargs.get("attn_mask"), kwargs.get("key_padding_mask")
    if query.ndim != 3 or (mask is not None and mask.ndim != 2):
        return None
    own = {**kwargs, "need_weights": True, "training": False, "average_attn_weights": False, "is_causal": False}
    own["key_padding_mask"] = None if padding is None else padding[:_SAMPLES]
    few: Any = [part[:, :_SAMPLES].detach() for part in (query, key, value)]
    weights = F.multi_head_attention_forward(*few, *args, **own)[1]
    if weights is None:
        return None
    scores = weights.clamp_min(1e-20).log()  # their softmax is the same
    for hidden in (mask, None if padding is None else padding[:_SAMPLES, None, None]):
        if hidden is not None:
            scores = scores.masked_fill(hidden if hidden.dtype == torch.bool else hidden < -1e30, -torch.inf)
    return scores
