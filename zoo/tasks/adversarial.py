"""Adversarial training: a generator learns from what a discriminator takes for real.

Goodfellow et al., "Generative Adversarial Nets", 2014, arXiv:1406.2661. What is sampled, judged and kept is an
exponential moving average of the generator's weights (Karras et al., 2018, arXiv:1710.10196).
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchmetrics import Metric

from zoo.batch import Batch
from zoo.errors import OptionError, explained_option
from zoo.losses.adversarial import AdversarialLoss
from zoo.models.gan.pair import GAN, generate
from zoo.optim.ema import warmup_ema
from zoo.optim.optimizers import build_optimizer, group_options
from zoo.optim.pair import Pair, both
from zoo.ranges import NonNegativeInt, PositiveFloat, PositiveInt, Probability
from zoo.tasks.generative import GenerativeTask, labels_of

NETWORKS = "generator", "discriminator"


class AdversarialTask(GenerativeTask):
    """Trains a discriminator in each batch, and a generator in each of `discriminator_steps` batches.

    So steps, and budgets of them, count batches, and each of the discriminator's steps sees new samples. Batches whose
    gradients are accumulated count as one.

    Args:
        model: the two networks.
        criterion: what each of them minimises.
        optimizer: a factory for both networks, or a pair of them.
        scheduler: likewise for schedules, which count the steps of their network; None keeps the learning rates.
        metrics: metrics of validation and test, which compare generated with real samples.
        discriminator_steps: steps of the discriminator for one of the generator.
        accumulate_batches: batches whose gradients are one step's.
        average_decay: share of the averaged generator that a step keeps; 0 for the generator as it is.
        generator_clip: limit of the norm of the generator's gradients; None for none.
        discriminator_clip: likewise of the discriminator.
        monitor: the logged metric that the best checkpoint follows.
        monitor_mode: whether more (`max`) or less (`min`) of it is better.
        seed: seed of the run, from which noise is drawn.
    """

    steps_in_parts: ClassVar[bool] = True
    nonfinite_remedy: ClassVar[str] = "lower it, or set task.discriminator_clip=1 task.generator_clip=1"
    # They are for curves; a line for an epoch is long without them.
    not_on_console = frozenset(
        {"real_score", "fake_score", "likeness", "reached", "kid", "precision", "recall", "density", "coverage"}
        | {f"{name}_gradient_norm" for name in NETWORKS}
    )
    model: GAN

    def __init__(
        self,
        model: nn.Module,
        *,
        criterion: AdversarialLoss,
        optimizer: Callable[..., Optimizer] | Pair,
        scheduler: Callable[..., Any] | Pair | None = None,
        metrics: Mapping[str, Metric] | None = None,
        discriminator_steps: PositiveInt = 1,
        accumulate_batches: PositiveInt = 1,
        average_decay: Probability = 0.999,
        generator_clip: PositiveFloat | None = None,
        discriminator_clip: PositiveFloat | None = None,
        monitor: str = "val/sliced_wasserstein",
        monitor_mode: Literal["min", "max"] = "min",
        seed: NonNegativeInt = 0,
    ) -> None:
        if not isinstance(model, GAN):
            raise ValueError(
                f"{type(model).__name__} is one network: this task trains two; set model=dcgan optimizer=two_adams"
            )
        super().__init__(model.generator, metrics=metrics or {}, monitor=monitor, monitor_mode=monitor_mode, seed=seed)
        self.automatic_optimization = False
        self.model = model
        self.criterion = criterion
        self.make_optimizer, self.make_scheduler = optimizer, scheduler
        self.lr_option = "optimizer.discriminator.lr" if isinstance(optimizer, Pair) else "optimizer.lr"
        self.discriminator_steps, self.accumulate_batches = discriminator_steps, accumulate_batches
        self.average_decay = average_decay
        self.clips = generator_clip, discriminator_clip
        self._judging = list(model.discriminator.parameters())
        self._weight_lists: tuple[list[Tensor], list[Tensor]] = [], []
        self._buffer_lists: tuple[list[Tensor], list[Tensor]] = [], []
        self._gathered: list[tuple[Tensor, Tensor]] = []  # real samples and classes of the step that is not taken yet
        self._gradient_norms: dict[str, Tensor] = {}

    @property
    def batches_a_step(self) -> int:
        """How many batches one step takes."""
        return self.accumulate_batches

    def check_options(self, data: Mapping[str, Any], trainer: Mapping[str, Any]) -> None:
        """Refuses what two optimizers cannot do by the trainer's options, and networks that the data do not fit.

        Raises:
            OptionError: an option does not go with this task.
        """
        if trainer.get("gradient_clip_val"):
            remedy = "set task.generator_clip and task.discriminator_clip, one for each network"
            raise OptionError("trainer.gradient_clip_val", "two networks are clipped apart", remedy)
        if trainer.get("accumulate_grad_batches", 1) != 1:
            number = trainer["accumulate_grad_batches"]
            remedy = f"set task.accumulate_batches={number}"
            raise OptionError("trainer.accumulate_grad_batches", "two networks step apart", remedy)
        for network in (self.model.generator, self.model.discriminator):
            told, number = getattr(network, "num_classes", None), data.get("num_classes")
            if told is not None and not number:
                problem = "it is told classes, which these data do not have"
                raise OptionError("model", problem, "set model.generator.num_classes=null")
            if told is not None and told != number:
                problem = f"{told}, but the data have {number} classes"
                raise OptionError("model.generator.num_classes", problem, f"set it to {number}, or null")

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Takes a step of the discriminator and, in its turn, of the generator; returns the discriminator's loss."""
        self._log_full_window()
        self._seed_step(batch_idx)
        real, labels = batch["input"].to(self.dtype), labels_of(batch)
        self._gathered.append((real, labels))
        steps = (batch_idx + 1) % self.accumulate_batches == 0 or self.trainer.is_last_batch
        turn = steps and (self.global_step + 1) % self.discriminator_steps == 0
        with torch.set_grad_enabled(turn and len(self._gathered) == 1):
            fake = self._generate(labels)
        losses = self._train_discriminator(batch, batch_idx, real, fake.detach(), labels, steps=steps)
        if turn:
            # What the discriminator has just judged serves both; of batches before, whose graphs are gone, it is new.
            parts = (
                [(fake, real, labels)]
                if fake.requires_grad
                else ((self._generate(labels), real, labels) for real, labels in self._gathered)
            )
            losses |= self._train_generator(batch, batch_idx, parts)
            self._update_average()
        if steps:
            self._gathered = []
        self._record_step(losses | self._gradient_norms, real, real)
        self._gradient_norms = {}
        return losses["discriminator_loss"].detach()

    def _generate(self, labels: Tensor) -> Tensor:
        noise = torch.randn(len(labels), self.latent_dim, device=self.device).to(self.dtype)
        return generate(self.model.generator, noise, labels)

    def _train_discriminator(
        self, batch: Batch, batch_idx: int, real: Tensor, fake: Tensor, labels: Tensor, *, steps: bool
    ) -> dict[str, Tensor]:
        self.guard.watch(self.model, batch, batch_idx)
        with parametrize.cached():  # weights of spectral norm are computed once for all of a batch
            scores = self.model.score(real, labels), self.model.score(fake, labels)
            score = functools.partial(self.model.score, labels=labels)
            penalties = self.criterion.penalties(score, real, fake, step=self.global_step)
        losses = {"discriminator_loss": self.criterion.discriminator(*scores)}
        self._backward(sum(penalties.values(), losses["discriminator_loss"]))
        if steps:
            self._step(1)
            self.criterion.constrain(self.model.discriminator)
        return losses | penalties | judgements(*scores)

    def _train_generator(
        self, batch: Batch, batch_idx: int, parts: Iterable[tuple[Tensor, Tensor, Tensor]]
    ) -> dict[str, Tensor]:
        """Takes a step on generated samples, each with the real ones and the classes of its batch."""
        self.guard.watch(self.model, batch, batch_idx)
        # The discriminator's weights need no gradients here, which would be half of its work.
        for parameter in self._judging:
            parameter.requires_grad_(False)
        losses = []
        for fake, real, labels in parts:
            with parametrize.cached():
                with torch.no_grad():
                    real_scores = self.model.score(real, labels) if self.criterion.needs_real else None
                loss = self.criterion.generator(self.model.score(fake, labels), real_scores)
            self._backward(loss)
            losses.append(loss.detach())
        self._step(0)
        for parameter in self._judging:
            parameter.requires_grad_(True)
        return {"generator_loss": torch.stack(losses).mean() if len(losses) > 1 else losses[0]}

    def _backward(self, loss: Tensor) -> None:
        self.guard.add_loss(loss.detach())
        self.manual_backward(loss / self.accumulate_batches if self.accumulate_batches > 1 else loss)

    def _step(self, network: int) -> None:
        """Takes a step of one network, the generator being 0 and the discriminator 1."""
        optimizer: Any = self.trainer.strategy._lightning_optimizers[network]
        if network == 0:  # steps count those of the discriminator
            optimizer._on_before_step = optimizer._on_after_step = _do_nothing
        optimizer.step()
        self.optimizer_zero_grad(self.current_epoch, 0, optimizer.optimizer)
        if schedules := self.trainer.lr_scheduler_configs:
            schedules[network].scheduler.step()  # type: ignore[call-arg]

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Refuses a step that is not finite, and clips the gradients of the network whose step it is.

        Their norm before that is recorded once in a window of steps, as it costs a step of small networks a tenth.
        """
        super().on_before_optimizer_step(optimizer)
        network = int(optimizer is not self.trainer.optimizers[0])
        name, limit = f"{NETWORKS[network]}_gradient_norm", self.clips[network]
        is_due = not self.train_record.has_pending(name)
        if limit is None and not is_due:
            return
        parameters = list(getattr(self.model, NETWORKS[network]).parameters())
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if limit is not None:
            nn.utils.clip_grads_with_norm_(parameters, limit, norm)
        if is_due:
            self._gradient_norms[name] = norm

    def replay(self, batch: Batch) -> None:
        """Computes once more what the networks say of a batch."""
        real, labels = batch["input"].to(self.dtype), labels_of(batch)
        self.model.score(real, labels)
        self.model.score(self._generate(labels), labels)

    def step_losses(self, batch: Batch) -> Iterator[tuple[Tensor, float]]:
        """Yields the loss of the discriminator, with penalties, and that of the generator."""
        real, labels = batch["input"].to(self.dtype), labels_of(batch)
        fake = self._generate(labels)
        with parametrize.cached():
            scores = self.model.score(real, labels), self.model.score(fake.detach(), labels)
            score = functools.partial(self.model.score, labels=labels)
            penalties = self.criterion.penalties(score, real, fake.detach(), step=0)
        yield sum(penalties.values(), self.criterion.discriminator(*scores)), 1.0
        for parameter in self._judging:
            parameter.requires_grad_(False)
        with parametrize.cached():
            with torch.no_grad():
                real_scores = self.model.score(real, labels) if self.criterion.needs_real else None
            loss = self.criterion.generator(self.model.score(fake, labels), real_scores)
        yield loss, 1 / self.discriminator_steps
        for parameter in self._judging:
            parameter.requires_grad_(True)

    @torch.no_grad()
    def _update_average(self) -> None:
        update = warmup_ema(self.average_decay)
        steps = self.global_step // self.discriminator_steps - 1  # that were averaged before
        update(*self._weight_lists, steps)
        if self._buffer_lists[0]:
            torch._foreach_copy_(*self._buffer_lists)

    def on_train_start(self) -> None:
        """Lists the weights: to walk through the modules for them in each step takes small networks a tenth of it."""
        super().on_train_start()
        average, generator = self.average, self.model.generator
        self._weight_lists = list(average.parameters()), list(generator.parameters())
        self._buffer_lists = list(average.buffers()), list(generator.buffers())

    def own_state(self) -> dict[str, Any]:
        """Returns what the batches since the last step have brought."""
        return {"gathered": self._gathered}

    def load_own_state(self, state: dict[str, Any]) -> None:
        """Takes back what `own_state` returned."""
        self._gathered = [(real.to(self.device), labels.to(self.device)) for real, labels in state["gathered"]]

    def evaluation_losses(self, real: Tensor, fake: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Returns the discriminator's loss and what it says of both."""
        scores = self.model.score(real, labels), self.model.score(fake, labels)
        return {"discriminator_loss": self.criterion.discriminator(*scores), **judgements(*scores)}

    def configure_optimizers(self) -> Any:
        """Builds the two optimizers and their schedules."""
        networks = self.model.generator, self.model.discriminator
        makes = both(self.make_optimizer)
        try:
            where = "optimizer"
            pairs = zip((makes.generator, makes.discriminator), networks, strict=True)
            optimizers = [build_optimizer(make, network) for make, network in pairs]
            self._options = [group_options(optimizer) for optimizer in optimizers]
            if self.make_scheduler is None:
                return optimizers
            where, schedules = "scheduler", both(self.make_scheduler)
            steps = self.num_optimizer_steps()
            made = [
                schedules.generator(optimizers[0], max(1, steps // self.discriminator_steps)),
                schedules.discriminator(optimizers[1], steps),
            ]
            self._options = [group_options(optimizer) for optimizer in optimizers]
        except (TypeError, ValueError) as error:
            raise explained_option(where, error) from error
        if any(isinstance(schedule, ReduceLROnPlateau) for schedule in made):
            raise OptionError("scheduler", "plateau follows one metric, but two networks have none", "set cosine")
        return optimizers, [{"scheduler": schedule, "interval": "step"} for schedule in made]


@torch.no_grad()
def judgements(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """Returns the mean scores of real and of generated samples, and the share that the middle of them tells apart.

    Scores mean something beside each other alone where a loss draws them to no margin.
    """
    real_score, fake_score = real.mean(), fake.mean()
    middle = (real_score + fake_score) / 2
    right = ((real > middle).to(real.dtype).mean() + (fake < middle).to(real.dtype).mean()) / 2
    return {"real_score": real_score, "fake_score": fake_score, "discriminator_accuracy": right}


def _do_nothing() -> None:
    pass
