"""What holds for every model of tokens and series, in each variant that a data set of its task chooses."""

from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import open_dict
from torch import Tensor, nn

from zoo.config.check import OptionErrors
from zoo.config.compose import compose
from zoo.config.construct import construct

NAMES = sorted(path.stem for path in (Path(__file__).parents[2] / "configs" / "model").glob("*.yaml"))
BATCH = 3
# The facts that a data set of each kind would find, and how wide the outputs are that follow from them.
FACTS: dict[str, dict[str, Any]] = {
    "python_lines": {"num_classes": 5, "vocab_size": 20, "max_length": 12},
    "stdlib_source": {"vocab_size": 20, "context_length": 12},
    "co2": {"num_targets": 2, "num_covariates": 1, "lookback": 48, "horizon": 12},
}
OUTPUTS = {"python_lines": (BATCH, 5), "stdlib_source": (BATCH, 12, 20), "co2": (BATCH, 12, 2)}


def build(data: str, model: str) -> nn.Module | None:
    """The model with small facts, or None where it does not go with such data."""
    try:
        cfg = compose([f"data={data}", f"model={model}"])
    except OptionErrors:
        return None
    with open_dict(cfg.data):
        cfg.data.update(FACTS[data])
    torch.manual_seed(0)
    built: nn.Module = construct(cfg.model, "model")
    return built


def inputs(data: str) -> Tensor:
    """A batch that fits the facts; the tokens are filled up with padding where texts differ in length."""
    generator = torch.Generator().manual_seed(0)
    if data == "co2":
        return torch.randn(BATCH, 48, 3, generator=generator)
    tokens = torch.randint(1, 20, (BATCH, 12), generator=generator)
    if data == "python_lines":
        tokens[1, 7:] = 0
    return tokens


CASES = [(data, model) for data in FACTS for model in NAMES if build(data, model) is not None]
every_case = pytest.mark.parametrize(("data", "model"), CASES, ids=[f"{data}-{model}" for data, model in CASES])


def built(data: str, model: str) -> nn.Module:
    found = build(data, model)
    assert found is not None
    return found


@every_case
def test_its_outputs_follow_from_the_facts(data: str, model: str) -> None:
    assert built(data, model).eval()(inputs(data)).shape == OUTPUTS[data]


@every_case
def test_a_gradient_reaches_every_parameter(data: str, model: str) -> None:
    network = built(data, model)
    outputs = network(inputs(data))
    (outputs * torch.randn(outputs.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    without = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    assert not without


@every_case
def test_in_evaluation_a_sample_depends_on_nothing_but_itself(data: str, model: str) -> None:
    network, batch = built(data, model).eval(), inputs(data)
    together = network(batch)
    assert torch.equal(together, network(batch))
    for row in range(BATCH):
        torch.testing.assert_close(network(batch[row : row + 1]), together[row : row + 1], atol=1e-4, rtol=1e-4)


@every_case
def test_padding_changes_no_class(data: str, model: str) -> None:
    if data != "python_lines":
        pytest.skip("only texts are filled up")
    network, batch = built(data, model).eval(), inputs(data)
    alone = network(batch[1:2, :7])
    torch.testing.assert_close(network(batch)[1:2], alone, atol=1e-5, rtol=1e-5)


@every_case
def test_no_later_token_changes_an_earlier_prediction(data: str, model: str) -> None:
    if data != "stdlib_source":
        pytest.skip("only language is predicted token by token")
    network, batch = built(data, model).eval(), inputs(data)
    changed = batch.clone()
    changed[:, 8:] = batch[:, 8:] % 19 + 1
    torch.testing.assert_close(network(changed)[:, :8], network(batch)[:, :8], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(network(changed)[:, 8:], network(batch)[:, 8:])


@every_case
def test_a_saved_state_restores_the_outputs(data: str, model: str) -> None:
    saved, restored, batch = built(data, model).eval(), built(data, model).eval(), inputs(data)
    for parameter in restored.parameters():
        nn.init.normal_(parameter)
    restored.load_state_dict(saved.state_dict())
    assert torch.equal(saved(batch), restored(batch))


@every_case
def test_layer_groups_hold_every_parameter_once(data: str, model: str) -> None:
    network = built(data, model)
    modules = [module for group in network.layer_groups() for module in group]  # type: ignore[operator]
    grouped = [id(parameter) for module in modules for parameter in module.parameters()]
    assert set(grouped) == {id(parameter) for parameter in network.parameters()}
    assert len(grouped) == len(set(grouped)) or getattr(network, "tie_embeddings", False)
