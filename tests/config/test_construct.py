"""From a node to an object."""

import functools
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue
from torch import nn

from zoo.config.construct import construct
from zoo.errors import OptionError


def _built(node: dict[str, Any], **extra: Any) -> Any:
    return construct(OmegaConf.create({"node": node, "size": 3}).node, "node", **extra)


def test_a_node_becomes_its_object_with_values_from_elsewhere() -> None:
    linear = _built({"_target_": "torch.nn.Linear", "in_features": "${size}", "out_features": 2})
    assert isinstance(linear, nn.Linear) and linear.in_features == 3


def test_nodes_within_are_built_first() -> None:
    parts = [{"_target_": "torch.nn.ReLU"}, {"_target_": "torch.nn.Linear", "_args_": [3, 2]}]
    sequential = _built({"_target_": "torch.nn.Sequential", "_args_": parts})
    assert [type(part) for part in sequential] == [nn.ReLU, nn.Linear]


def test_a_partial_node_waits_for_the_rest() -> None:
    optimizer = _built({"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.5})
    assert isinstance(optimizer, functools.partial)
    assert optimizer([torch.nn.Parameter(torch.zeros(1))]).defaults["lr"] == 0.5


def test_lists_and_mappings_reach_the_object_as_plain_ones() -> None:
    adam = _built({"_target_": "torch.optim.Adam", "_partial_": True, "betas": [0.5, "${size}"]})
    assert type(adam.keywords["betas"]) is list and adam.keywords["betas"] == [0.5, 3]


def test_what_is_given_wins_over_the_node_and_is_passed_on_as_it_is() -> None:
    model = nn.Identity()
    optimizer = _built(
        {"_target_": "torch.optim.SGD", "_partial_": True, "lr": {"_target_": "torch.nn.Linear"}}, lr=model
    )
    assert optimizer.keywords == {"lr": model}


def test_a_value_that_is_missing_is_no_text_of_question_marks() -> None:
    with pytest.raises(MissingMandatoryValue):
        _built({"_target_": "torch.nn.Linear", "in_features": "???", "out_features": 2})


@pytest.mark.parametrize("node", [{}, {"lr": 1}])
def test_what_names_no_class_is_refused(node: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="node: is no node with _target_"):
        _built(node)


@pytest.mark.parametrize("target", ["torch.nn.Lineaar", "torch.nn.nowhere.Linear", "zoo.models.nowhere.Net"])
def test_a_name_that_is_not_there_is_the_users_error(target: str) -> None:
    with pytest.raises(OptionError, match=r"^node\._target_: there is no "):
        _built({"_target_": target})


def test_a_mistake_in_the_arguments_reaches_the_caller_as_it_was_raised() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'width'"):
        _built({"_target_": "torch.nn.Linear", "in_features": 1, "out_features": 1, "width": 2})
