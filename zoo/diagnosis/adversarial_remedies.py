"""What to type where adversarial training goes wrong: overrides that exist for the run, the likeliest first."""

from zoo.diagnosis.overrides import Overrides, some

_LOSSES = "zoo.losses.adversarial"
_FIRST_PENALTIES = {"points": 0.02, "images": 0.5}  # weights of R1 that healthy runs of the zoo have
_BALANCE = 2.0  # times the generator's learning rate, which suits the discriminator (Heusel et al., 2017)


class AdversarialRemedies(Overrides):
    """What to type, by what is wrong."""

    def of_mode_collapse(self) -> list[str]:
        """A smoother discriminator, balanced learning rates, a view of the whole batch."""
        return some(self._other_loss(), self._penalty(), self._balance(), self._switch("minibatch_std"), self._pairs())

    def of_saturation(self) -> list[str]:
        """A discriminator that is held back."""
        return some(
            self._other_loss(), self._penalty(), self._switch("spectral"), self._augment(), self._balance(slower=True)
        )

    def of_generator_stall(self) -> list[str]:
        """Gradients where the discriminator is sure, and a generator that makes more of them."""
        return some(self._other_loss(), self._penalty(), self.scaled(self._lr("generator"), 4), self._fewer_steps())

    def of_discriminator_stall(self) -> list[str]:
        """A discriminator that learns faster, and is held back less."""
        weight = self._penalty_weight()
        less = f"task.criterion.r1={weight / 10:g}" if weight else None
        steps = self.get("task.discriminator_steps")
        more = f"task.discriminator_steps={2 * steps}" if isinstance(steps, int) else None
        return some(self.scaled(self._lr("discriminator"), 4), less, more)

    def _other_loss(self) -> str | None:
        """The first formulation gives the generator no gradients where it needs them most."""
        return f"task.criterion._target_={_LOSSES}.NonSaturating" if self._loss() == "Minimax" else None

    def _loss(self) -> str:
        return str(self.get("task.criterion._target_")).rpartition(".")[2]

    def _penalty_weight(self) -> float:
        return self.number("task.criterion.r1") or 0.0

    def _penalty(self) -> str | None:
        if self._loss() == "Wasserstein" and self.get("task.criterion.gradient_penalty") == 0:
            return "task.criterion.gradient_penalty=10"
        if not self.has("task.criterion.r1"):
            return None
        first = _FIRST_PENALTIES["images" if self.has("data.in_channels") else "points"]
        penalty = f"task.criterion.r1={5 * self._penalty_weight() or first:g}"
        # A norm across the batch lets no gradient belong to one sample alone.
        return (
            f"{penalty} model.discriminator.norm=null" if self.get("model.discriminator.norm") == "batch" else penalty
        )

    def _pairs(self) -> str | None:
        if self._loss() == "Relativistic" or not self.has("task.criterion.r2"):
            return None
        return f"task.criterion._target_={_LOSSES}.Relativistic"

    def _switch(self, name: str) -> str | None:
        return self.switched_on(f"model.discriminator.{name}")

    def _augment(self) -> str | None:
        """Augmentation of what the discriminator sees, where the model has it."""
        option = "model.augment.translation"
        return f"{option}=0.125 model.augment.color=true" if self.get(option) == 0 else None

    def _lr(self, network: str) -> str:
        own = f"optimizer.{network}.lr"
        return own if self.has(own) else "optimizer.lr"

    def _balance(self, *, slower: bool = False) -> str | None:
        """A discriminator twice as fast as the generator; where it is already, or is to be slower, half as fast."""
        rates = [self.get(f"optimizer.{network}.lr") for network in ("generator", "discriminator")]
        if not all(isinstance(rate, int | float) and rate > 0 for rate in rates):
            return None if slower else self.scaled("optimizer.lr", 0.5)
        ratio = rates[1] / rates[0]
        if ratio > 2 * _BALANCE or (ratio < _BALANCE / 2 and not slower):
            return self.scaled("optimizer.discriminator.lr", _BALANCE / ratio)
        return self.scaled("optimizer.discriminator.lr", 0.5)

    def _fewer_steps(self) -> str | None:
        steps = self.get("task.discriminator_steps")
        return "task.discriminator_steps=1" if isinstance(steps, int) and steps > 1 else None
