import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.profiler import ProfilerActivity, profile

from zoo.layers.recurrent import RecurrentEncoder

CELLS = ["lstm", "gru", "rnn", "layer_norm_lstm"]
ENGINES = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
LENGTHS = [9, 1, 4]

every_cell = pytest.mark.parametrize("cell", CELLS)
both_ways = pytest.mark.parametrize("bidirectional", [False, True])


def build(**options: Any) -> RecurrentEncoder:
    torch.manual_seed(0)
    return RecurrentEncoder(5, 6, **options).double()


def numbers(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def padded() -> tuple[Tensor, Tensor]:
    return numbers(3, 9, 5), torch.arange(9) < torch.tensor(LENGTHS).unsqueeze(1)


@both_ways
@pytest.mark.parametrize("cell", ENGINES)
def test_it_equals_torchs_layers_with_their_start_values(cell: str, bidirectional: bool) -> None:
    options: dict[str, Any] = {"num_layers": 2, "bidirectional": bidirectional}
    ours = build(cell=cell, init="default", forget_bias=None, **options)
    torch.manual_seed(0)
    theirs = ENGINES[cell](5, 6, batch_first=True, **options).double()
    inputs = numbers(3, 9, 5)
    expected, expected_state = theirs(inputs)
    outputs, state = ours.run(inputs)
    assert torch.equal(outputs, expected)
    assert torch.equal(state[0], expected_state[0] if cell == "lstm" else expected_state)
    torch.testing.assert_close(ours(inputs), expected)


@both_ways
@every_cell
def test_padding_changes_no_real_place(cell: str, bidirectional: bool) -> None:
    encoder = build(cell=cell, num_layers=2, bidirectional=bidirectional)
    inputs, mask = padded()
    outputs, (from_run, state) = encoder(inputs, mask), encoder.run(inputs, mask)
    for row, length in enumerate(LENGTHS):
        alone, alone_state = encoder.run(inputs[row : row + 1, :length])
        torch.testing.assert_close(outputs[row, :length], alone[0])
        torch.testing.assert_close(from_run[row, :length], alone[0])
        for part, expected in zip(state, alone_state, strict=True):
            torch.testing.assert_close(part[:, row], expected[:, 0])


@both_ways
def test_a_layer_at_a_time_gives_the_same_as_all_in_one_call(bidirectional: bool) -> None:
    encoder = build(num_layers=3, bidirectional=bidirectional, dropout=0.5)
    inputs, mask = padded()
    for given in (None, mask):
        expected = encoder.eval().run(inputs, given)
        encoder.train().dropout.p = 1e-9
        torch.testing.assert_close(encoder.run(inputs, given), expected)


@pytest.mark.parametrize("cell", ENGINES)
def test_gradients_of_float32_do_not_depend_on_how_padding_is_skipped(cell: str) -> None:
    inputs, mask = padded()
    factors = numbers(3, 9, 12).float() * mask.unsqueeze(2)

    def gradients(*, packed: bool) -> list[Tensor]:
        encoder = build(cell=cell, num_layers=2, bidirectional=True).float()
        outputs = encoder.run(inputs.float(), mask)[0] if packed else encoder(inputs.float(), mask)
        (outputs * factors).sum().backward()
        return [parameter.grad for parameter in encoder.parameters()]

    torch.testing.assert_close(gradients(packed=False), gradients(packed=True), atol=1e-4, rtol=1e-4)


@every_cell
def test_a_text_can_be_read_in_two_parts(cell: str) -> None:
    encoder, inputs = build(cell=cell, num_layers=2), numbers(3, 9, 5)
    first, state = encoder.run(inputs[:, :4])
    second, _ = encoder.run(inputs[:, 4:], state=state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), encoder(inputs))


def test_sequences_that_are_all_full_are_not_packed() -> None:
    encoder, (inputs, mask) = build(bidirectional=True), padded()

    def operations(mask: Tensor) -> set[str]:
        with profile(activities=[ProfilerActivity.CPU], acc_events=True) as record:
            encoder.run(inputs, mask)
        return {event.key for event in record.key_averages()}

    assert "aten::_pack_padded_sequence" in operations(mask)
    assert "aten::_pack_padded_sequence" not in operations(torch.ones_like(mask))


@both_ways
@every_cell
def test_a_gradient_reaches_every_parameter(cell: str, bidirectional: bool) -> None:
    encoder = build(cell=cell, num_layers=2, bidirectional=bidirectional, dropout=0.1, weight_drop=0.1)
    inputs, mask = padded()
    (encoder(inputs, mask) * numbers(3, 9, encoder.output_size)).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in encoder.parameters())


@every_cell
def test_weight_drop_drops_its_share_of_the_weights_from_hidden_to_hidden(cell: str) -> None:
    encoder = build(cell=cell, weight_drop=0.3)
    encoder(numbers(3, 9, 5)).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        share = (parameter.grad == 0).double().mean().item()
        assert 0.15 < share < 0.45 if "weight_hh" in name else share == 0


@both_ways
@every_cell
def test_weight_drop_follows_the_seed_and_is_off_in_evaluation(cell: str, bidirectional: bool) -> None:
    dropping = build(cell=cell, bidirectional=bidirectional, weight_drop=0.5)
    plain = build(cell=cell, bidirectional=bidirectional)
    inputs, mask = padded()

    def outputs(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return dropping(inputs, mask)

    assert torch.equal(outputs(0), outputs(0))
    assert not torch.allclose(outputs(0), outputs(1))
    assert torch.equal(dropping.eval()(inputs, mask), plain.eval()(inputs, mask))


def test_weight_drop_leaves_names_and_values_of_the_weights_alone() -> None:
    dropping, plain = build(weight_drop=0.5), build()
    dropping(numbers(3, 9, 5)).sum().backward()
    assert dropping.state_dict().keys() == plain.state_dict().keys()
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in dropping.state_dict().items())
    plain.load_state_dict(dropping.state_dict())


def test_it_can_be_copied_and_pickled_between_two_steps_of_training() -> None:
    encoder, inputs = build(num_layers=2, weight_drop=0.5, dropout=0.5, locked_dropout=True), numbers(3, 9, 5)
    encoder(inputs).sum().backward()
    for other in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
        assert torch.equal(other.eval()(inputs), build(num_layers=2)(inputs))


def test_locked_dropout_drops_the_same_features_at_each_step() -> None:
    encoder, inputs = build(num_layers=2, dropout=0.5, locked_dropout=True), numbers(1, 9, 5)
    nn.init.zeros_(encoder.engine.weight_hh_l1)  # so that a place of the second layer sees the first at that place only
    nn.init.zeros_(encoder.engine.bias_ih_l1)
    outputs = encoder(inputs)
    outputs.sum().backward()
    dropped = (encoder.engine.weight_ih_l1.grad == 0).all(0)  # (H,): never read by the second layer
    assert 0 < dropped.sum() < 6


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_it_runs_with_weights_that_are_passed_in(mode: str) -> None:
    encoder = build(weight_drop=0.5).train(mode == "train")
    state = {name: value.to("meta") for name, value in encoder.named_parameters()}
    assert functional_call(encoder, state, (numbers(3, 9, 5).to("meta"),)).shape == (3, 9, 6)


@both_ways
@every_cell
def test_layer_groups_hold_every_parameter_once_and_layer_by_layer(cell: str, bidirectional: bool) -> None:
    encoder = build(cell=cell, num_layers=3, bidirectional=bidirectional)
    groups = [[id(p) for module in group for p in module.parameters()] for group in encoder.layer_groups()]
    assert len(groups) == 3
    assert [each for group in groups for each in group] == [id(parameter) for parameter in encoder.parameters()]


def test_forget_gates_begin_open_and_matrices_orthogonal() -> None:
    engine = build(num_layers=2, bidirectional=True).engine
    for name, parameter in engine.named_parameters():
        if name.startswith("bias"):
            assert parameter.tolist() == [0.0] * 6 + [1.0 if "ih" in name else 0.0] * 6 + [0.0] * 12
        elif "hh" in name:
            for gate in parameter.split(6):
                torch.testing.assert_close(gate @ gate.T, torch.eye(6, dtype=torch.float64), atol=1e-5, rtol=0)


def test_a_simple_network_can_begin_with_the_identity_and_has_no_forget_gate() -> None:
    engine = build(cell="rnn", init="identity").engine
    assert torch.equal(engine.weight_hh_l0, torch.eye(6, dtype=torch.float64))
    assert not engine.bias_ih_l0.any()


@pytest.mark.parametrize("weight_drop", [0.0, 0.5])
def test_it_runs_in_mixed_precision(weight_drop: float) -> None:
    encoder, (inputs, mask) = build(num_layers=2, bidirectional=True, weight_drop=weight_drop).float(), padded()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = encoder(inputs.float(), mask)
        state = encoder.run(inputs.bfloat16(), mask)[1]
    assert outputs.isfinite().all()
    assert state[0].isfinite().all()


@pytest.mark.parametrize("locked_dropout", [False, True])
def test_dropout_between_layers_follows_the_seed(locked_dropout: bool) -> None:
    encoder, inputs = build(num_layers=2, dropout=0.5, locked_dropout=locked_dropout), numbers(3, 9, 5)

    def outputs(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return encoder(inputs)

    assert torch.equal(outputs(0), outputs(0))
    assert not torch.allclose(outputs(0), outputs(1))
    assert torch.equal(encoder.eval()(inputs), build(num_layers=2)(inputs))


@pytest.mark.gpu
@pytest.mark.parametrize("locked_dropout", [False, True])
def test_a_gpu_gives_the_same_without_warnings(locked_dropout: bool) -> None:
    encoder = build(num_layers=2, bidirectional=True, weight_drop=0.5, dropout=0.5, locked_dropout=locked_dropout)
    inputs, mask = padded()
    expected = encoder.eval()(inputs, mask)
    encoder, inputs, mask = encoder.cuda(), inputs.cuda(), mask.cuda()
    torch.testing.assert_close(encoder(inputs, mask)[mask].cpu(), expected[mask.cpu()])

    def outputs() -> Tensor:
        torch.manual_seed(0)
        return encoder.train()(inputs, mask)

    assert torch.equal(outputs(), outputs())
    outputs().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in encoder.parameters())
