"""What to type where training goes wrong: overrides that exist for the run, the likeliest first."""

from collections.abc import Mapping
from typing import Any

from zoo.diagnosis.overrides import Overrides, some
from zoo.diagnosis.recorded import FAR_TOO_LARGE, History, worst

_FAR_TOO_SMALL = 1e-3
_CUT_OFF = ("relu", "sigmoid", "tanh")  # activations that are flat somewhere
_SMALLEST_CROPPED = 8  # pixels of a side for one pixel of shift


class Remedies(Overrides):
    """What to type, by what is wrong.

    Args:
        config: the resolved config of the run, as plain values.
        history: what was recorded of the run.
    """

    def __init__(self, config: Mapping[str, Any], history: History) -> None:
        super().__init__(config)
        self.history = history

    def of_vanishing(self) -> list[str]:
        """Norms, shortcuts, or an activation and weights that keep the scale of gradients."""
        other = self._activation("tanh", "xavier"), self._activation("relu", "kaiming")
        return some(self._norm(), self.switched_on("model.residual"), *other)

    def of_exploding(self) -> list[str]:
        """Gradients that are cut, smaller steps, norms."""
        return some(self._clip(), self.scaled("optimizer.lr", 0.1), self._norm())

    def of_not_finite(self) -> list[str]:
        """Smaller steps, gradients that are cut."""
        return some(self.scaled("optimizer.lr", 0.1), self._clip())

    def of_dead(self) -> list[str]:
        """An activation with a slope everywhere, smaller steps."""
        return some(self._activation("leaky_relu", "kaiming"), self.scaled("optimizer.lr", 0.1), self._norm())

    def of_saturated(self) -> list[str]:
        """What keeps inputs of activations small, or an activation without an upper bound."""
        return some(self._norm(), self._activation("relu", "kaiming"), self.scaled("optimizer.lr", 0.1))

    def of_too_high(self) -> list[str]:
        """Smaller steps, by so much as updates are too large."""
        factors = (0.1, 0.01)
        if self.history.largest_update > FAR_TOO_LARGE or self.history.not_finite:
            factors = (0.01, 0.1)
        return some(*(self.scaled("optimizer.lr", factor) for factor in factors), self._clip())

    def of_too_low(self) -> list[str]:
        """Larger steps, by so much as updates are too small."""
        _, ratio = worst(self.history.largest("update_ratio") or {"": 0.0})
        factors = (100, 10) if ratio < _FAR_TOO_SMALL else (10, 100)
        return some(*(self.scaled("optimizer.lr", factor) for factor in factors))

    def of_plateau(self) -> list[str]:
        """A learning rate that falls."""
        return some("scheduler=one_cycle", self.scaled("optimizer.lr", 0.3))

    def of_wrong_start(self) -> list[str]:
        """Weights whose outputs are small."""
        other = self.get("model.init")
        return some("model.init=default" if other not in (None, "default") else self._norm())

    def of_overfitting(self) -> list[str]:
        """Samples that vary, regularisers that are off or weak, and an end in time."""
        return some(
            self._augmentation(),
            self.raised("data.word_dropout", 0.1, 0.3),
            self._norm(),
            self.raised("task.criterion.label_smoothing", 0.1, 0.1),
            self.raised("model.dropout", 0.3, 0.5),
            self._decay(),
            self._early_end(),
        )

    def of_underfitting(self) -> list[str]:
        """More of the model, less that holds it back, more time."""
        sizes = self.get("model.hidden_sizes")
        wider = f"model.hidden_sizes=[{','.join(str(2 * size) for size in sizes)}]" if sizes else None
        widths = [self.scaled(f"model.{name}", 2) for name in ("width", "hidden_size", "embed_dim")]
        return some(wider, *widths, self._no_dropout(), self.scaled("trainer.max_epochs", 2))

    def of_one_class(self) -> list[str]:
        """Classes that count alike, where they are not equally frequent; smaller steps."""
        weights = "task.criterion.class_weights=balanced" if self.is_null("task.criterion.class_weights") else None
        shares = self.history.validations[-1].true_shares if self.history.validations else ()
        slower = self.scaled("optimizer.lr", 0.1)
        is_balanced = bool(shares) and max(shares) < 2 / len(shares)
        return some(slower, self._norm()) if is_balanced else some(weights, slower)

    def of_noise(self) -> list[str]:
        """A criterion that does not trust labels wholly; none where they tell nothing."""
        if not self.history.validations or not self.history.validations[-1].val_accuracy > 0.5:
            return []
        return some(self.raised("task.criterion.label_smoothing", 0.1, 0.2))

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
        steps = self.scaled("optimizer.lr", 0.1), self.scaled("optimizer.lr", 10)
        return some(self._no_dropout(), *steps, self._norm())

    def of_leak(self) -> list[str]:
        """None: the data themselves are to be mended."""
        return []

    def _norm(self) -> str | None:
        return "model.norm=batch" if self.is_null("model.norm") else None

    def _activation(self, activation: str, init: str) -> str | None:
        if self.get("model.activation") not in _CUT_OFF or self.get("model.activation") == activation:
            return None
        # Of recurrent models, init is that of the weights between two steps, which an activation does not touch.
        weights = self.has("model.init") and not self.has("model.forget_bias")
        return f"model.activation={activation} model.init={init}" if weights else f"model.activation={activation}"

    def _augmentation(self) -> str | None:
        """Shifts and turns of images that are shown as they are, to a model that shares weights between places."""
        sides, options = self.get("data.image_size"), self.get("data.augment")
        side = min(sides) if isinstance(sides, list) and sides else sides
        if (
            self.has("model.hidden_sizes")
            or not isinstance(side, int)
            or not isinstance(options, Mapping)
            or not self.has("data.augment.rotate")
        ):
            return None
        if any(isinstance(value, bool | int | float) and value for value in options.values()):
            return None
        crop = max(1, side // _SMALLEST_CROPPED)
        return f"data.augment.crop={crop} data.augment.rotate=10 data.augment.scale=0.1"

    def _early_end(self) -> str | None:
        """The callbacks that were chosen, and one that ends the run in time."""
        chosen = self.get("callbacks") or {}
        names = [name for name in ("doctor", "ema", "explanations") if chosen.get(name)]
        return None if chosen.get("early_stopping") else f"callbacks=[{','.join([*names, 'early_stopping'])}]"

    def _clip(self) -> str | None:
        return "trainer.gradient_clip_val=1" if self.is_null("trainer.gradient_clip_val") else None

    def _decay(self) -> str | None:
        decay = self.number("optimizer.weight_decay")
        return None if decay is None else f"optimizer.weight_decay={3 * decay or 0.01:.3g}"

    def _no_dropout(self) -> str | None:
        return "model.dropout=0" if (self.number("model.dropout") or 0) > 0 else None
