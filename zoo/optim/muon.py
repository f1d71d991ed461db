"""Muon for the hidden matrices and AdamW for the rest, as one optimizer.

Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024, https://kellerjordan.github.io/posts/muon;
Liu et al., "Muon is Scalable for LLM Training", 2025, arXiv:2502.16982: their factor 0.2 sqrt(max(rows, columns))
gives Muon's updates the size of AdamW's, so that one learning rate and one weight decay serve both. `torch.optim.Muon`
has the same mathematics, for matrices alone. Here convolution kernels are matrices too (out_channels, the rest), and
matrices of one shape are orthogonalised in one batch.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.adamw import adamw

from zoo.optim.parameter_groups import decayed_parameters, parameter_groups, without_empty
from zoo.ranges import NonNegativeFloat, PositiveFloat, PositiveInt, Probability

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def orthogonalize(matrices: Float[Tensor, "B M N"], num_iterations: int) -> Float[Tensor, "B M N"]:
    """Bring all singular values of each matrix near 1, by a Newton-Schulz iteration in bfloat16.

    Args:
        matrices: of any scale.
        num_iterations: steps of the iteration; after 5 the singular values lie between about 0.7 and 1.2.

    Returns:
        Matrices with the same singular vectors, in bfloat16.
    """
    a, b, c = 3.4445, -4.7750, 2.0315  # chosen for the steepest slope at zero (Jordan et al.)
    is_tall = matrices.size(-2) > matrices.size(-1)
    x = matrices.bfloat16()
    x = x.mT if is_tall else x  # the smaller Gram matrix is the cheaper one
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(num_iterations):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)  # (a + bG + cG^2) x
    return x.mT if is_tall else x


class Muon(Optimizer):
    """Orthogonalised momentum for groups with `orthogonalize`, AdamW for the others.

    Args:
        params: parameters or groups; `parameter_groups` makes those of a model.
        lr: learning rate of both rules.
        weight_decay: decoupled, of both rules.
        momentum: decay of Muon's running mean of gradients.
        nesterov: whether Muon looks ahead by one gradient.
        num_iterations: steps of the Newton-Schulz iteration.
        betas: decay of AdamW's running means of the gradient and its square.
        eps: added to AdamW's denominator.
        fused: whether AdamW runs as one kernel.
        orthogonalize: which of the two rules a group follows that does not say.

    Raises:
        ValueError: if a parameter to be orthogonalised is not a matrix.
    """

    def __init__(
        self,
        params: Any,
        lr: PositiveFloat = 1e-3,
        *,
        weight_decay: NonNegativeFloat = 0.1,
        momentum: Probability = 0.95,
        nesterov: bool = True,
        num_iterations: PositiveInt = 5,
        betas: Sequence[float] = (0.9, 0.95),
        eps: PositiveFloat = 1e-8,
        fused: bool | None = None,
        orthogonalize: bool = True,
    ) -> None:
        muon = {"momentum": momentum, "nesterov": nesterov, "num_iterations": num_iterations}
        adam = {"betas": tuple(betas), "eps": eps, "fused": fused}
        super().__init__(
            params, {"lr": lr, "weight_decay": weight_decay, "orthogonalize": orthogonalize, **muon, **adam}
        )
        for group in self.param_groups:
            flat = [tuple(parameter.shape) for parameter in group["params"] if parameter.ndim < 2]
            if group["orthogonalize"] and flat:
                raise ValueError(f"parameter of shape {flat[0]}: Muon needs matrices; set orthogonalize=False there")

    @staticmethod
    def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
        """Give Muon the hidden matrices: not embeddings, the head (last layer with a matrix) or grouped convolutions.

        Args:
            model: any module.
            weight_decay: of all groups but `no_decay`.

        Returns:
            The groups `hidden`, `decay` and `no_decay`, without empty ones.
        """
        layers = [module for module in model.modules() if isinstance(module, (nn.Linear, *CONVOLUTIONS))]
        head = {id(parameter) for layer in layers[-1:] for parameter in layer.parameters()}
        # A kernel with groups is one small matrix a group; flattened to a single one it stands for no linear map.
        kernels = {id(layer.weight) for layer in layers if isinstance(layer, CONVOLUTIONS) and layer.groups == 1}
        hidden = {
            name: parameter
            for name, parameter in decayed_parameters(model).items()
            if id(parameter) not in head and (parameter.ndim == 2 or id(parameter) in kernels)
        }
        rest = [
            {
                **group,
                "params": [(name, parameter) for name, parameter in group["params"] if name not in hidden],
                "orthogonalize": False,
            }
            for group in parameter_groups(model, weight_decay)
        ]
        muon = {"name": "hidden", "params": list(hidden.items()), "weight_decay": weight_decay, "orthogonalize": True}
        return without_empty(muon, *rest)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient.

        Args:
            closure: computes the loss and its gradients again.

        Returns:
            What the closure returned, if there was one.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if parameters:
                (self._step_muon if group["orthogonalize"] else self._step_adamw)(group, parameters)
        return loss

    def _step_muon(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        """Move each matrix by its orthogonalised momentum."""
        same_shape: dict[tuple[Any, ...], list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for parameter in parameters:
            grad, state = parameter.grad, self.state[parameter]
            assert grad is not None
            if not state:
                state["momentum_buffer"] = torch.zeros_like(grad)
            momentum = state["momentum_buffer"].lerp_(grad, 1 - group["momentum"])
            update = grad.lerp(momentum, group["momentum"]) if group["nesterov"] else momentum
            matrix = update.flatten(1)
            same_shape[matrix.shape, matrix.device].append((parameter, matrix))
        for (shape, _), pairs in same_shape.items():
            updates = orthogonalize(torch.stack([matrix for _, matrix in pairs]), group["num_iterations"])
            size = 0.2 * max(shape) ** 0.5
            for (parameter, _), update in zip(pairs, updates, strict=True):
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(update.reshape(parameter.shape), alpha=-group["lr"] * size)

    def _step_adamw(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        """Hand the group to torch's AdamW."""
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter] = {
                    # torch counts steps on the device for fused kernels, on the CPU otherwise
                    "step": torch.zeros((), device=parameter.device if group["fused"] else "cpu"),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
        states = [self.state[parameter] for parameter in parameters]
        adamw(
            parameters,
            [parameter.grad for parameter in parameters if parameter.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=group["fused"],
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )
