import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.layers.layer_norm_lstm import LayerNormLSTMCell, LayerNormLSTMLayer
from zoo.layers.lstm import LSTMCell, LSTMLayer


def pair() -> tuple[LSTMLayer, nn.LSTM]:
    torch.manual_seed(0)
    theirs = nn.LSTM(5, 7, batch_first=True).double()
    ours = LSTMLayer(5, 7).double()
    ours.load_state_dict({f"cell.{name.removesuffix('_l0')}": value for name, value in theirs.state_dict().items()})
    return ours, theirs


def numbers(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_the_layer_equals_torchs_from_any_state() -> None:
    ours, theirs = pair()
    inputs, state = numbers(3, 11, 5), (numbers(3, 7), numbers(3, 7) * 2)
    outputs, (hidden, memory) = ours(inputs, state)
    expected, (expected_hidden, expected_memory) = theirs(inputs, (state[0][None], state[1][None]))
    torch.testing.assert_close(outputs, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(hidden, expected_hidden[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(memory, expected_memory[0], atol=1e-6, rtol=0)


def test_the_gradients_equal_torchs() -> None:
    ours, theirs = pair()
    inputs, factors = numbers(3, 11, 5), numbers(3, 11, 7)
    mine, yours = inputs.clone().requires_grad_(), inputs.clone().requires_grad_()
    (ours(mine)[0] * factors).sum().backward()
    (theirs(yours)[0] * factors).sum().backward()
    torch.testing.assert_close(mine.grad, yours.grad, atol=1e-6, rtol=0)
    for name, parameter in theirs.named_parameters():
        own = ours.get_parameter(f"cell.{name.removesuffix('_l0')}")
        torch.testing.assert_close(own.grad, parameter.grad, atol=1e-6, rtol=0)


def test_the_cell_loads_the_state_of_torchs_and_equals_it() -> None:
    torch.manual_seed(0)
    theirs, ours = nn.LSTMCell(5, 7).double(), LSTMCell(5, 7).double()
    ours.load_state_dict(theirs.state_dict())
    inputs, state = numbers(3, 5), (numbers(3, 7), numbers(3, 7))
    for got, expected in zip(ours(inputs, state), theirs(inputs, state), strict=True):
        torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)


def test_it_starts_with_the_weights_that_torch_draws() -> None:
    torch.manual_seed(0)
    theirs = nn.LSTMCell(5, 7)
    torch.manual_seed(0)
    ours = LSTMCell(5, 7)
    assert all(torch.equal(ours.get_parameter(name), value) for name, value in theirs.named_parameters())


@pytest.mark.parametrize("layer_class", [LSTMLayer, LayerNormLSTMLayer])
def test_a_sequence_can_be_read_in_two_parts(layer_class: type[LSTMLayer]) -> None:
    torch.manual_seed(0)
    layer, inputs = layer_class(5, 7).double(), numbers(3, 11, 5)
    whole, _ = layer(inputs)
    first, state = layer(inputs[:, :4])
    torch.testing.assert_close(torch.cat([first, layer(inputs[:, 4:], state)[0]], dim=1), whole)


@pytest.mark.parametrize("layer_class", [LSTMLayer, LayerNormLSTMLayer])
def test_padding_leaves_the_state_as_it_is(layer_class: type[LSTMLayer]) -> None:
    torch.manual_seed(0)
    layer, inputs = layer_class(5, 7).double(), numbers(1, 11, 5)
    mask = torch.arange(11)[None] < 4
    _, state = layer(inputs, None, mask)
    torch.testing.assert_close(state, layer(inputs[:, :4])[1])


def test_layer_norm_is_where_the_paper_has_it() -> None:
    torch.manual_seed(0)
    cell = LayerNormLSTMCell(5, 7).double()
    for parameter in cell.parameters():
        nn.init.normal_(parameter)
    inputs, hidden, memory = numbers(3, 5), numbers(3, 7), numbers(3, 7)

    def norm(values: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
        return F.layer_norm(values, values.shape[1:], gain, shift)

    gates = norm(inputs @ cell.weight_ih.T, cell.input_norm.weight, cell.bias_ih)
    gates = gates + norm(hidden @ cell.weight_hh.T, cell.hidden_norm.weight, cell.bias_hh)
    i, f, g, o = gates.chunk(4, dim=1)
    expected_memory = f.sigmoid() * memory + i.sigmoid() * g.tanh()
    expected = o.sigmoid() * norm(expected_memory, cell.memory_norm.weight, cell.memory_norm.bias).tanh()
    torch.testing.assert_close(cell(inputs, (hidden, memory)), (expected, expected_memory))


def test_layer_norm_takes_the_scale_of_the_inputs_out() -> None:
    torch.manual_seed(0)
    layer, inputs = LayerNormLSTMLayer(5, 7).double(), numbers(3, 11, 5)
    torch.testing.assert_close(layer(inputs)[0], layer(100 * inputs)[0], atol=1e-2, rtol=0)
    assert not torch.allclose(LSTMLayer(5, 7).double()(inputs)[0], LSTMLayer(5, 7).double()(100 * inputs)[0], atol=1e-2)
