"""TextCNN against a loop over windows, and what padding must not do."""

import pytest
import torch
from torch import Tensor, nn

from zoo.models.cnn.text_cnn import TextCNN


def model_of(**options) -> TextCNN:
    torch.manual_seed(0)
    return TextCNN(**{"num_classes": 3, "vocab_size": 30, "embed_dim": 8, "num_filters": 6, **options}).eval()


def tokens(*lengths: int, width: int | None = None) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    batch = torch.zeros(len(lengths), width or max(lengths), dtype=torch.int64)
    for row, length in enumerate(lengths):
        batch[row, :length] = torch.randint(1, 30, (length,), generator=draw)
    return batch


def test_a_feature_is_the_largest_over_all_windows():
    model, text = model_of(kernel_sizes=[2, 5]), tokens(9)[0]
    vectors = model.input.embedding(text)  # (T, D)
    found = []
    for size, convolution in zip((2, 5), model.convolutions, strict=True):
        before, behind = torch.zeros((size - 1) // 2, 8), torch.zeros(size // 2, 8)
        filled = torch.cat([before, vectors, behind])
        windows = [(filled[start : start + size].T * convolution.weight).sum((1, 2)) for start in range(9)]
        found.append((torch.stack(windows) + convolution.bias).relu().amax(0))
    torch.testing.assert_close(model(text[None])[0], model.head(torch.cat(found)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kernel_sizes", [[3, 4, 5], [2, 7], [1]])
@pytest.mark.parametrize("length", [1, 2, 3, 11])
def test_padding_changes_no_prediction_not_even_of_a_text_shorter_than_the_kernels(kernel_sizes, length):
    model, text = model_of(kernel_sizes=kernel_sizes), tokens(length)
    alone = model(text)
    for width in (length + 1, length + 3, 40):
        torch.testing.assert_close(model(nn.functional.pad(text, (0, width - length))), alone, atol=1e-5, rtol=1e-5)
    beside = torch.cat([tokens(length, width=20), tokens(20)])
    torch.testing.assert_close(model(beside)[:1], alone, atol=1e-5, rtol=1e-5)


def test_an_empty_text_has_a_finite_prediction_whatever_it_is_padded_to():
    model = model_of()
    short, long = model(torch.zeros(1, 2, dtype=torch.int64)), model(torch.zeros(1, 9, dtype=torch.int64))
    assert short.isfinite().all()
    torch.testing.assert_close(short, long)


def test_negative_features_are_not_hidden_by_padding():
    model = model_of(activation="torch.nn.Identity")
    with torch.no_grad():
        for convolution in model.convolutions:
            convolution.bias -= 100
    text = tokens(4)
    torch.testing.assert_close(model(nn.functional.pad(text, (0, 6))), model(text))


def test_the_norm_of_each_class_is_bounded():
    model, text = model_of(max_norm=0.5), tokens(9)
    features = []
    model.head.register_forward_pre_hook(lambda module, inputs: features.append(inputs[0]))
    free = model_of()
    free.dropout.register_forward_hook(lambda module, inputs, outputs: features.append(outputs))
    with torch.no_grad():
        free.head.weight *= 10
        model.load_state_dict(free.state_dict())
        free(text)
        bounded = model.head.weight * (0.5 / model.head.weight.norm(dim=1, keepdim=True))
        torch.testing.assert_close(model(text), features[0] @ bounded.T + model.head.bias)


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (2, 3, 16, 21), (2, 1, 50)])
def test_images_and_signals_are_read_column_by_column(shape):
    facts = {"vocab_size": None, "in_channels": shape[1], "image_size": list(shape[2:])}
    assert model_of(**facts)(torch.randn(shape)).shape == (2, 3)


def test_it_learns_texts_that_differ_in_one_word():
    torch.manual_seed(0)
    model = TextCNN(num_classes=2, vocab_size=30, embed_dim=16, num_filters=8, dropout=0.2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    inputs, target = torch.randint(2, 28, (64, 10)), torch.arange(64) % 2
    inputs[torch.arange(64), torch.randint(0, 10, (64,))] = 28 + target
    for _ in range(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), target).backward()
        optimizer.step()
    assert (model.eval()(inputs).argmax(1) == target).float().mean() >= 0.98


def test_no_kernel_at_all_is_refused():
    with pytest.raises(ValueError, match="at least one width is needed"):
        model_of(kernel_sizes=[])
