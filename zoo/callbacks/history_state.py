"""What the doctor has recorded, as a checkpoint carries it: few plain values, and one tensor for all layers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch

from zoo.diagnosis.recorded import Facts, History, Layer, Step, Validation

FIGURES = tuple(each.name for each in fields(Layer) if each.name != "kind")


def packed(history: History) -> dict[str, Any]:
    """Returns a history as plain values and a tensor of the figures (steps, layers, figures), NaN where there is none.

    Args:
        history: whose figures are those of float32, so that nothing gets lost.
    """
    kinds = kinds_of(history.steps)
    absent = Layer("")
    rows = [[step.layers.get(name, absent) for name in kinds] for step in history.steps]
    values = [[[getattr(layer, figure) for figure in FIGURES] for layer in row] for row in rows]
    size = len(history.steps), len(kinds), len(FIGURES)
    return {
        "facts": _plain(vars(history.facts)),
        "steps": [{name: value for name, value in vars(step).items() if name != "layers"} for step in history.steps],
        "layers": {"kinds": kinds, "values": torch.tensor(values, dtype=torch.float32).reshape(size)},
        "validations": [_plain(vars(validation)) for validation in history.validations],
        "not_finite": history.not_finite,
    }


def unpacked(state: Mapping[str, Any]) -> History:
    """Takes back what `packed` has returned."""
    kinds, steps = state["layers"]["kinds"], []
    for step, values in zip(state["steps"], state["layers"]["values"].tolist(), strict=True):
        found = {
            name: Layer(kind, **dict(zip(FIGURES, row, strict=True)))
            for (name, kind), row in zip(kinds.items(), values, strict=True)
            if not all(map(math.isnan, row))
        }
        steps.append(Step(**step, layers=found))
    validations = [Validation(**each) for each in state["validations"]]
    return History(Facts(**state["facts"]), steps, validations, state["not_finite"])


def kinds_of(steps: Sequence[Step]) -> dict[str, str]:
    """Returns the kinds of all layers that were seen, by name, in the order of the model."""
    fullest = max(steps, key=lambda step: len(step.layers), default=None)
    layers = dict(fullest.layers) if fullest else {}
    for step in steps:
        layers |= {name: layer for name, layer in step.layers.items() if name not in layers}
    return {name: layer.kind for name, layer in layers.items()}


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns values with lists and dicts of their own."""
    copies: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            copies[name] = dict(value)
        else:
            copies[name] = list(value) if isinstance(value, list | tuple) else value
    return copies
