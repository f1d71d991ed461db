"""What to type where training goes wrong: overrides that exist for the run, the likeliest first."""

from collections.abc import Mapping
from typing import Any


class Remedies:
    """Overrides made of the options that a run has.

    Args:
        config: the resolved config of the run, as plain values.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config

    def of_vanishing(self) -> list[str]:
        """Norms, or an activation and weights that keep the scale of gradients."""
        return _some(self._norm(), self._activation("tanh", "xavier"), self._activation("relu", "kaiming"))

    def of_exploding(self) -> list[str]:
        """Gradients that are cut, smaller steps, norms."""
        return _some(self._clip(), self._scaled("optimizer.lr", 0.1), self._norm())

    def of_dead(self) -> list[str]:
        """An activation with a slope everywhere, smaller steps."""
        return _some(self._activation("leaky_relu", "kaiming"), self._scaled("optimizer.lr", 0.1), self._norm())

    def of_saturated(self) -> list[str]:
        """What keeps inputs of activations small, or an activation without an upper bound."""
        return _some(self._norm(), self._activation("relu", "kaiming"), self._scaled("optimizer.lr", 0.1))

    def of_too_high(self) -> list[str]:
        """Smaller steps."""
        return _some(self._scaled("optimizer.lr", 0.01), self._scaled("optimizer.lr", 0.1), self._clip())

    def of_too_low(self) -> list[str]:
        """Larger steps."""
        return _some(self._scaled("optimizer.lr", 100), self._scaled("optimizer.lr", 10))

    def of_plateau(self) -> list[str]:
        """A learning rate that falls."""
        return ["scheduler=one_cycle", *_some(self._scaled("optimizer.lr", 0.3))]

    def of_wrong_start(self) -> list[str]:
        """Weights whose outputs are small."""
        other = self.get("model.init")
        return _some("model.init=default" if other not in (None, "default") else self._norm())

    def of_overfitting(self) -> list[str]:
        """Regularisers that are off or weak, and an end in time."""
        return _some(
            self._raised("model.dropout", 0.3, 0.5),
            self._raised("task.criterion.label_smoothing", 0.1, 0.1),
            self._decay(),
            "callbacks=[doctor,early_stopping]",
        )

    def of_underfitting(self) -> list[str]:
        """More of the model, less that holds it back, more time."""
        sizes = self.get("model.hidden_sizes")
        wider = f"model.hidden_sizes=[{','.join(str(2 * size) for size in sizes)}]" if sizes else None
        widths = [self._scaled(f"model.{name}", 2) for name in ("width", "hidden_size", "embed_dim")]
        dropout = "model.dropout=0" if (self._number("model.dropout") or 0) > 0 else None
        return _some(wider, *widths, dropout, self._scaled("trainer.max_epochs", 2))

    def of_one_class(self) -> list[str]:
        """Classes that count alike, smaller steps."""
        weights = "task.criterion.class_weights=balanced" if self._is_null("task.criterion.class_weights") else None
        return _some(weights, self._scaled("optimizer.lr", 0.1))

    def of_noise(self) -> list[str]:
        """A criterion that does not trust labels wholly."""
        return _some(self._raised("task.criterion.label_smoothing", 0.1, 0.2))

    def of_loader(self) -> list[str]:
        """More workers that prepare batches."""
        workers = self.get("data.num_workers")
        return [f"data.num_workers={max(2, 2 * workers)}"] if isinstance(workers, int) else []

    def of_memory(self) -> list[str]:
        """Smaller batches, as many samples a step."""
        size, batches = self.get("data.batch_size"), self.get("trainer.accumulate_grad_batches")
        if not isinstance(size, int) or size < 2 or not isinstance(batches, int):
            return []
        return [f"data.batch_size={size // 2} trainer.accumulate_grad_batches={2 * batches}"]

    def of_unlearned_batch(self) -> list[str]:
        """Other steps, and nothing that holds the model back."""
        dropout = "model.dropout=0" if (self._number("model.dropout") or 0) > 0 else None
        return _some(dropout, self._scaled("optimizer.lr", 0.1), self._scaled("optimizer.lr", 10), self._norm())

    def of_leak(self) -> list[str]:
        """None: the data themselves are to be mended."""
        return []

    def get(self, path: str) -> Any:
        """Returns an option by its dotted name; None where there is none."""
        value: Any = self.config
        for part in path.split("."):
            if not isinstance(value, Mapping):
                return None
            value = value.get(part)
        return value

    def _is_null(self, path: str) -> bool:
        parent, _, name = path.rpartition(".")
        section = self.get(parent)
        return isinstance(section, Mapping) and name in section and section[name] is None

    def _number(self, path: str) -> float | None:
        value = self.get(path)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def _norm(self) -> str | None:
        return "model.norm=batch" if self._is_null("model.norm") else None

    def _activation(self, activation: str, init: str) -> str | None:
        known = self.get("model.activation"), self.get("model.init")
        if None in known or known[0] == activation:
            return None
        return f"model.activation={activation} model.init={init}"

    def _clip(self) -> str | None:
        return "trainer.gradient_clip_val=1" if self._is_null("trainer.gradient_clip_val") else None

    def _decay(self) -> str | None:
        decay = self._number("optimizer.weight_decay")
        return None if decay is None else f"optimizer.weight_decay={3 * decay or 0.01:.3g}"

    def _raised(self, path: str, first: float, most: float) -> str | None:
        value = self._number(path)
        if value is None or value >= most:
            return None
        return f"{path}={min(most, max(first, 1.5 * value)):g}"

    def _scaled(self, path: str, factor: float) -> str | None:
        value = self._number(path)
        if not value:
            return None
        scaled = float(f"{value * factor:.2g}")
        return f"{path}={round(value * factor) if isinstance(value, int) and factor >= 1 else scaled:g}"


def _some(*remedies: str | None) -> list[str]:
    return list(dict.fromkeys(remedy for remedy in remedies if remedy is not None))
