import pytest
import torch
from torch import Tensor, nn

from zoo.optim.muon import Muon, orthogonalize
from zoo.optim.optimizers import build_optimizer


def parameters_and_gradients(
    *shapes: tuple[int, ...],
) -> tuple[list[nn.Parameter], list[nn.Parameter], list[list[Tensor]]]:
    """The same parameters twice, and gradients for five steps."""
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    theirs = [nn.Parameter(parameter.detach().clone()) for parameter in ours]
    return ours, theirs, [[torch.randn(shape) for shape in shapes] for _ in range(5)]


def step_with(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], gradients: list[Tensor]) -> None:
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient.clone()
    optimizer.step()


class SmallGPT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.attention = nn.MultiheadAttention(8, 2)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 11, bias=False)
        self.head.weight = self.embedding.weight


@pytest.mark.parametrize("nesterov", [True, False])
def test_matrices_move_as_with_muon_of_torch(nesterov: bool) -> None:
    ours, theirs, gradients = parameters_and_gradients((12, 20), (20, 12), (12, 20), (8, 8))
    options = {"lr": 0.01, "weight_decay": 0.1, "nesterov": nesterov}
    optimizer = Muon(ours, **options)
    reference = torch.optim.Muon(theirs, adjust_lr_fn="match_rms_adamw", **options)
    for gradient in gradients:
        step_with(optimizer, ours, gradient)
        step_with(reference, theirs, gradient)
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=0, atol=1e-6)


@pytest.mark.parametrize("fused", [None, True])
def test_the_rest_moves_as_with_adamw_of_torch(fused: bool | None) -> None:
    ours, theirs, gradients = parameters_and_gradients((11, 8), (8,), (2, 3, 4))
    options = {"lr": 0.01, "weight_decay": 0.1, "betas": (0.9, 0.95), "eps": 1e-8, "fused": fused}
    optimizer = Muon(ours, orthogonalize=False, **options)
    reference = torch.optim.AdamW(theirs, **options)
    for gradient in gradients:
        step_with(optimizer, ours, gradient)
        step_with(reference, theirs, gradient)
    assert all(torch.equal(our, their) for our, their in zip(ours, theirs, strict=True))


def test_a_kernel_moves_as_the_matrix_it_flattens_to() -> None:
    torch.manual_seed(0)
    kernel = nn.Parameter(torch.randn(6, 4, 3, 3).to(memory_format=torch.channels_last))
    matrix = nn.Parameter(kernel.detach().flatten(1).clone())
    gradient = torch.randn(6, 4, 3, 3)
    step_with(Muon([kernel]), [kernel], [gradient])
    step_with(Muon([matrix]), [matrix], [gradient.flatten(1)])
    assert torch.equal(kernel.flatten(1), matrix)
    assert kernel.is_contiguous(memory_format=torch.channels_last)


def test_orthogonalising_brings_singular_values_near_one() -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalize(100 * torch.randn(3, 16, 40), 5).float())
    assert 0.6 < values.min() < values.max() < 1.3


def test_hidden_matrices_are_orthogonalised_but_not_the_head_vectors_or_grouped_kernels() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, groups=8), nn.Linear(8, 8), nn.Linear(8, 5)
    )
    names = {group["name"]: group["param_names"] for group in build_optimizer(Muon, model).param_groups}
    assert names["hidden"] == ["0.weight", "3.weight"]
    assert names["decay"] == ["2.weight", "4.weight"]
    assert names["no_decay"] == ["0.bias", "1.weight", "1.bias", "2.bias", "3.bias", "4.bias"]


def test_a_tied_embedding_is_not_orthogonalised() -> None:
    groups = build_optimizer(Muon, SmallGPT()).param_groups
    assert [group["name"] for group in groups] == ["hidden", "no_decay"]
    assert groups[0]["param_names"] == ["attention.in_proj_weight", "attention.out_proj.weight"]
    assert "embedding.weight" in groups[1]["param_names"]


def test_the_closure_is_called_with_gradients_on_and_its_loss_returned() -> None:
    parameter = nn.Parameter(torch.ones(2, 2))
    optimizer = Muon([parameter])

    def closure() -> float:
        optimizer.zero_grad()
        loss = parameter.square().sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == 4.0
    assert parameter.max() < 1


def test_a_frozen_parameter_neither_moves_nor_gains_state() -> None:
    moving, frozen = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 2))
    optimizer = Muon([moving, frozen])
    moving.grad = torch.randn(2, 2)
    optimizer.step()
    assert torch.equal(frozen, torch.ones(2, 2))
    assert frozen not in optimizer.state


def test_a_vector_cannot_be_orthogonalised() -> None:
    with pytest.raises(ValueError, match=r"parameter of shape \(3,\): Muon needs matrices"):
        Muon([nn.Parameter(torch.ones(3))])
