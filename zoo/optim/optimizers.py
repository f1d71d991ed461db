"""Builds an optimizer over a model: parameter groups, and the fused kernel where torch has one."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from zoo.optim.parameter_groups import parameter_groups, split_by_lr

FUSED_DEVICES = {"cpu", "cuda", "mps", "xpu"}
OTHER_IMPLEMENTATIONS = {"fused", "foreach", "capturable", "differentiable"}


def build_optimizer(
    factory: Callable[..., Optimizer],
    model: nn.Module,
    *,
    fused: bool = True,
    lr_factors: Mapping[str, float] | None = None,
) -> Optimizer:
    """Build the optimizer that updates all parameters of a model.

    An optimizer class may choose its own groups by a static method `parameter_groups(model, weight_decay)`; one that
    knows no weight decay (LBFGS) gets a single group.

    Args:
        factory: an optimizer class, or a `functools.partial` of one with its options.
        model: owner of the parameters.
        fused: whether the fused kernel may be chosen (measured on a ResNet-18, one CPU core: a step of SGD takes 9 ms
            instead of 43, of AdamW 14 instead of 42). An option set in `factory` wins over it.
        lr_factors: what the learning rate of each parameter is multiplied by, by its name; None for one rate.

    Returns:
        The optimizer; its groups are named, and so are the parameters in them.

    Raises:
        ValueError: if the model has no parameters, or the optimizer has one learning rate for all.
    """
    optimizer_class, options = (factory.func, factory.keywords) if isinstance(factory, partial) else (factory, {})
    accepted = inspect.signature(optimizer_class).parameters
    parameters = dict(model.named_parameters())
    if not parameters:
        raise ValueError(
            f"{type(model).__name__} has no parameters: there is nothing to optimise; choose another model"
        )
    if "weight_decay" in accepted:
        weight_decay = options.get("weight_decay", accepted["weight_decay"].default)
        groups = getattr(optimizer_class, "parameter_groups", parameter_groups)(model, weight_decay)
    else:
        groups = [{"name": "all", "params": list(parameters.items())}]
    if set((lr_factors or {}).values()) - {1.0}:
        groups = split_by_lr(groups, lr_factors or {}, base_lr(optimizer_class, options))
    if not fused or "fused" not in accepted or OTHER_IMPLEMENTATIONS & options.keys():
        return factory(groups)
    return _build_fused(factory, groups, optimizer_class, list(parameters.values()))


def _build_fused(
    factory: Callable[..., Optimizer],
    groups: list[dict[str, Any]],
    optimizer_class: Callable[..., Optimizer],
    parameters: list[nn.Parameter],
) -> Optimizer:
    """Build with the fused kernel if it exists for these parameters, else without."""
    devices = {"cpu"} if optimizer_class is torch.optim.Adagrad else FUSED_DEVICES  # Adagrad's is for the CPU alone
    if not all(parameter.is_floating_point() and parameter.device.type in devices for parameter in parameters):
        return factory(groups)
    optimizer = factory(groups, fused=True)
    # Fused optimizers offer to unscale float16 gradients themselves, and Lightning then refuses to clip them, under
    # bfloat16 too. Declining the offer lets the gradient scaler unscale first, as for every other optimizer.
    optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]
    return optimizer


def base_lr(optimizer_class: Callable[..., Optimizer], options: Mapping[str, Any]) -> float:
    """Returns the learning rate of an optimizer.

    Raises:
        ValueError: it has none, or no groups of parameters.
    """
    accepted = inspect.signature(optimizer_class).parameters
    if "lr" not in accepted or optimizer_class is torch.optim.LBFGS:
        name = getattr(optimizer_class, "__name__", str(optimizer_class))
        raise ValueError(f"{name} has one learning rate for all layers; set finetune.lr_decay=1, or optimizer=adamw")
    return float(options.get("lr", accepted["lr"].default))


def group_options(optimizer: Optimizer) -> list[dict[str, Any]]:
    """Returns the options of each parameter group, such as its learning rate."""
    return [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]


def renew_options(optimizer: Optimizer, schedule: Any, options: list[dict[str, Any]]) -> None:
    """Gives an optimizer whose state was loaded other options than those that were loaded with it.

    Args:
        optimizer: with the state of a checkpoint.
        schedule: its schedule, likewise, or None; it stays where it is, but at the new learning rate.
        options: what `group_options` returned before the state was loaded.
    """
    for group, new in zip(optimizer.param_groups, options, strict=True):
        base = group.get("initial_lr", group["lr"])
        factor = group["lr"] / base if base else 1.0
        group.update(new)
        group["lr"] = factor * new.get("initial_lr", new["lr"])
    if hasattr(schedule, "base_lrs"):
        schedule.base_lrs = [new.get("initial_lr", new["lr"]) for new in options]
