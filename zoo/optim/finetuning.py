"""Fine-tuning: which layers are trained from which epoch on, and how fast each of them learns.

Freezing is a pure function of the epoch over the model's `layer_groups()`, and all parameters are in the optimizer from
the start, so that a run that is resumed in the middle has the weights of one that was not. What is frozen gets no
gradient, which every optimizer passes over, and is in eval(): its norms keep their statistics, and nothing is dropped.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from zoo.layers.layer_groups import LayerGroup, grouped
from zoo.layers.lora import NAME, add_adapters
from zoo.ranges import Fraction, PositiveFloat, PositiveInt


class FineTuning:
    """Trains all layers from the start; the other ways are its children.

    Args:
        lr_decay: the learning rate of a group of layers times this is that of the group before it; 1 for one rate.
        backbone_lr_factor: the learning rate of all groups but the head, times this.
        eval_norm: whether every BatchNorm stays in eval() for the whole run and so keeps its statistics.
        reestimate_norm: whether the statistics of BatchNorm are measured anew on the training split before the start.
    """

    def __init__(
        self,
        *,
        lr_decay: Fraction = 1.0,
        backbone_lr_factor: PositiveFloat = 1.0,
        eval_norm: bool = False,
        reestimate_norm: bool = False,
    ) -> None:
        self.lr_decay, self.backbone_lr_factor = lr_decay, backbone_lr_factor
        self.eval_norm, self.reestimate_norm = eval_norm, reestimate_norm
        self._fixed: set[str] = set()

    @property
    def is_plain(self) -> bool:
        """Whether nothing differs from training without fine-tuning."""
        return type(self) is FineTuning and (self.lr_decay, self.backbone_lr_factor) == (1, 1) and not self.acts_on_norm

    @property
    def acts_on_norm(self) -> bool:
        """Whether BatchNorm is treated in a way of its own."""
        return self.eval_norm or self.reestimate_norm

    def first_epochs(self, num_groups: int) -> Sequence[int | None]:
        """Returns from which epoch on each group is trained, input to head; None for never."""
        return [0] * num_groups

    def is_spared(self, name: str) -> bool:
        """Whether a parameter is trained in a group that is frozen, too."""
        return False

    def prepare(self, model: nn.Module) -> None:
        """Looks at a model, and adds to it what is trained in place of its own weights.

        Raises:
            ValueError: the model does not name its layer groups.
        """
        self._fixed = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
        grouped(model)

    def changes(self, model: nn.Module) -> bool:
        """Whether what is frozen differs between epochs."""
        return any(self.first_epochs(len(grouped(model))))

    def trains_head_only(self, model: nn.Module) -> bool:
        """Whether all layers before the head give the same for an input, whatever the epoch."""
        groups = grouped(model)
        return not any(self._trained(groups, epoch=None)[:-1]) and not any(
            self.is_spared(name) for group in groups[:-1] for name in group.parameters
        )

    def apply(self, model: nn.Module, epoch: int | None) -> None:
        """Freezes and thaws as an epoch asks for.

        Args:
            model: in whatever state.
            epoch: counted from 0; None for a run without end, in which all is trained that ever will be.
        """
        groups = grouped(model)
        for group, trained in zip(groups, self._trained(groups, epoch), strict=True):
            for name, parameter in group.parameters.items():
                parameter.requires_grad_(name not in self._fixed and (trained or self.is_spared(name)))
            for module in group.modules:
                module.training = trained and not (self.eval_norm and isinstance(module, _BatchNorm))

    def lr_factors(self, model: nn.Module) -> dict[str, float]:
        """Returns what the learning rate of each parameter is multiplied by, by its name."""
        groups = grouped(model)
        factors = [self.lr_decay ** (len(groups) - 1 - index) for index in range(len(groups))]
        factors[:-1] = [factor * self.backbone_lr_factor for factor in factors[:-1]]
        return {name: factor for group, factor in zip(groups, factors, strict=True) for name in group.parameters}

    def table(self, model: nn.Module, optimizer: Optimizer) -> str:
        """Returns what is trained, and when and how fast, a line for each group, input to head."""
        rates = {
            id(parameter): options.get("initial_lr", options["lr"])
            for options in optimizer.param_groups
            for parameter in options["params"]
        }
        groups = grouped(model)
        rows: list[tuple[str, ...]] = [("group", "parameters", "trainable", "lr", "from epoch")]
        total = [0, 0]
        for group, first in zip(groups, self.first_epochs(len(groups)), strict=True):
            weights = group.parameters.items()
            trained = [weight for name, weight in weights if self._is_ever_trained(name, first)]
            counts = [_count(group.parameters.values()), _count(trained)]
            total = [before + count for before, count in zip(total, counts, strict=True)]
            lr, epoch = ("-", "-") if not trained else (f"{rates[id(trained[0])]:.3g}", str((first or 0) + 1))
            rows.append((group.name, *(f"{count:,}" for count in counts), lr, epoch))
        rows.append(("all", *(f"{count:,}" for count in total), "", ""))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        cells = (zip(row, widths, strict=True) for row in rows)
        lines = ([name.ljust(width), *(cell.rjust(other) for cell, other in rest)] for (name, width), *rest in cells)
        return "\n".join("  ".join(line).rstrip() for line in lines)

    def _is_ever_trained(self, name: str, first_epoch: int | None) -> bool:
        return name not in self._fixed and (first_epoch is not None or self.is_spared(name))

    def _trained(self, groups: Sequence[LayerGroup], epoch: int | None) -> list[bool]:
        firsts = self.first_epochs(len(groups))
        return [first is not None and (epoch is None or epoch >= first) for first in firsts]


class HeadOnly(FineTuning):
    """Trains the head, and of the frozen layers before it what `is_spared` names."""

    def first_epochs(self, num_groups: int) -> Sequence[int | None]:
        """Returns 0 for the head, None for all others."""
        return [None] * (num_groups - 1) + [0]


class LinearProbe(HeadOnly):
    """Trains the head alone.

    Args:
        cache_features: whether what the frozen layers make of the data is computed once, and not in each epoch, where
            no augmentation needs it.
        options: see `FineTuning`.
    """

    def __init__(self, *, cache_features: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.cache_features = cache_features


class Gradual(FineTuning):
    """Thaws one group of layers after the other, from the head down.

    Jeremy Howard, Sebastian Ruder, "Universal Language Model Fine-tuning for Text Classification", 2018,
    arXiv:1801.06146.

    Args:
        every_n_epochs: epochs from one group to the next.
        options: see `FineTuning`.
    """

    def __init__(
        self,
        *,
        every_n_epochs: PositiveInt = 1,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.every_n_epochs = every_n_epochs

    def first_epochs(self, num_groups: int) -> Sequence[int | None]:
        """Returns 0 for the head, `every_n_epochs` for the group before it, and so on."""
        return [self.every_n_epochs * (num_groups - 1 - index) for index in range(num_groups)]


class BiasOnly(HeadOnly):
    """Trains the biases of all layers, and the head.

    Elad Ben Zaken et al., "BitFit: Simple Parameter-efficient Fine-tuning for Transformer-based Masked
    Language-models", 2021, arXiv:2106.10199.
    """

    def is_spared(self, name: str) -> bool:
        """Whether it is a bias."""
        return name.endswith("bias")


class LoRA(HeadOnly):
    """Trains low-rank adapters beside the frozen layers, and the head.

    Args:
        rank: of each adapter.
        alpha: weight of each adapter, times `rank`.
        targets: a regular expression that finds the layers by their names; None for every linear layer and convolution
            before the head.
        options: see `FineTuning`; the adapters belong to the groups of their layers.
    """

    def __init__(
        self,
        *,
        rank: PositiveInt = 8,
        alpha: PositiveFloat = 16.0,
        targets: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.rank, self.alpha, self.targets = rank, alpha, targets

    def is_spared(self, name: str) -> bool:
        """Whether it is of an adapter."""
        return f".{NAME}." in f".{name}"

    def prepare(self, model: nn.Module) -> None:
        """Adds the adapters.

        Raises:
            ValueError: the model does not name its layer groups, or no layer can take an adapter.
        """
        super().prepare(model)
        head = model.layer_groups()[-1]  # type: ignore[operator]
        add_adapters(model, rank=self.rank, alpha=self.alpha, targets=self.targets or "", without=head)


@torch.no_grad()
def reestimate(model: nn.Module, forward: Any, batches: Iterable[Any]) -> int:
    """Measures the statistics of every BatchNorm anew, each batch counting alike; all else is in eval().

    Args:
        model: whose modes are as before in the end.
        forward: computes a batch.
        batches: what to measure on.

    Returns:
        How many norms were measured.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    modes = [(module, module.training) for module in model.modules()]
    momenta = [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum, norm.training = None, True  # a plain mean
    if norms:
        for batch in batches:
            forward(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    for module, training in modes:
        module.training = training
    return len(norms)


def _count(parameters: Iterable[Tensor]) -> int:
    return sum(parameter.numel() for parameter in parameters)
