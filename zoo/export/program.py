"""What is exported of a task: a network that takes and gives tensors by name, and batches to compare it on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from zoo.batch import Batch
from zoo.data.base import DataModule
from zoo.errors import OptionError
from zoo.tasks.base import Task
from zoo.tasks.classification import ClassificationTask
from zoo.tasks.forecasting import ForecastingTask
from zoo.tasks.generative import GenerativeTask
from zoo.tasks.resumable import ResumableModule

LARGEST_BATCH = 64
_LONGEST = "max_length"  # the fact of texts that tells how long one may be

Inputs = tuple[Tensor, ...]


class Network(nn.Module):
    """Takes tensors in an order and gives a tuple of tensors.

    Args:
        model: what is called with the tensors.
        prepare: what happens to them before; None for nothing.
    """

    model: nn.Module

    def __init__(self, model: nn.Module, prepare: "Preprocessing | None" = None) -> None:
        super().__init__()
        self.model, self.prepare = model, prepare

    def forward(self, *inputs: Tensor) -> Inputs:
        """Returns the tensors of what the model gives, however they are nested."""
        if self.prepare is not None:
            inputs = self.prepare(inputs)
        return tuple(leaf for leaf in pytree.tree_leaves(self.model(*inputs)) if isinstance(leaf, Tensor))


class Preprocessing:
    """What data do to a batch on the device, as part of a program.

    Args:
        data: whose preprocessing it is.
        task: what it is done for.
        names: what the tensors are called in a batch.
    """

    def __init__(self, data: DataModule, task: Task, names: Sequence[str]) -> None:
        self.data, self.task, self.names = data, task, names

    def __call__(self, inputs: Inputs) -> Inputs:
        """Returns what the model is called with."""
        batch = dict(zip(self.names, inputs, strict=True))
        batch["index"] = torch.zeros_like(inputs[0].flatten(1)[:, 0], dtype=torch.int64)
        return self.task.model_inputs(self.data.prepare_batch(batch, train=False))


@dataclass
class Program:
    """What is exported.

    Attributes:
        network: in evaluation, on the CPU.
        input_names: of the tensors it takes.
        output_names: of those it gives.
        examples: inputs that it is traced with, two samples or more.
        batches: inputs that it is compared on, of different numbers of samples.
        lengths: for each input, the dimensions beside the batch that may be of any size.
        batch_size: the number of samples that is the only one; None for any.
        has_preprocessing: whether what the data do to a batch is a part of it.
        notes: what a user must know of it.
    """

    network: Network
    input_names: list[str]
    output_names: list[str]
    examples: Inputs
    batches: list[Inputs]
    lengths: list[tuple[int, ...]]
    batch_size: int | None
    has_preprocessing: bool
    notes: list[str]

    @property
    def model(self) -> nn.Module:
        """What of the network has the weights."""
        return self.network.model


def make_program(
    task: ResumableModule, data: DataModule, *, batch_size: int | None = None, preprocessing: bool = False
) -> Program:
    """Returns what is exported of a task.

    Args:
        task: with its weights.
        data: whose facts have been found.
        batch_size: the number of samples that is to be the only one; None for any.
        preprocessing: whether what the data do to a batch on the device becomes a part of the program.

    Raises:
        OptionError: there is nothing that could be.
    """
    task = task.cpu().eval().requires_grad_(False)
    if isinstance(task, GenerativeTask):
        return _generator(task, batch_size, preprocessing=preprocessing)
    if not isinstance(task, Task):
        raise OptionError("ckpt", f"of {type(task).__name__} no one network is known", "give that of another task")
    model = task.model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    raw = list(islice(_batches(data), 2))
    finished = [data.prepare_batch(dict(batch), train=False) for batch in raw]
    names, lengths = _names(task, finished[0]), _lengths(task, finished)
    prepare = None
    if preprocessing:
        _check_preprocessing(names, raw[0], finished[0])
        names += [name for name in ("content",) if name in raw[0]]
        prepare = Preprocessing(data, task, names)
        batches = [tuple(batch[name] for name in names) for batch in raw]
        lengths = [tuple(range(1, batches[0][0].ndim)) if lengths[0] else (), *[()] * (len(names) - 1)]
    else:
        batches = [task.model_inputs(batch) for batch in finished]
    network = Network(model, prepare)
    longest = data.preprocessing().get(_LONGEST)
    _warm_up(network, batches[0], longest if lengths[0] and not batches[0][0].is_floating_point() else None)
    outputs = _output_names(task, network, batches[0])
    examples, compared = _examples(batches, batch_size)
    return Program(network, names, outputs, examples, compared, lengths, batch_size, preprocessing, [])


def _generator(task: GenerativeTask, batch_size: int | None, *, preprocessing: bool) -> Program:
    """Returns the averaged generator, called with noise and, where it is told any, classes."""
    if preprocessing:
        raise OptionError("preprocessing", "a generator takes noise, to which nothing is done", "leave it out")
    notes = []
    for module in task.average.modules():
        if getattr(module, "draws_noise", False):
            module.draws_noise = False  # type: ignore[assignment]
            notes = ["the noise within the generator is left out: it draws the same of the same input"]
    inputs: Inputs = (task.noise(LARGEST_BATCH, "export"),)
    if task.num_classes:
        inputs += (torch.arange(LARGEST_BATCH) % task.num_classes,)
    names = ["noise", "labels"][: len(inputs)]
    examples, compared = _examples([inputs], batch_size)
    lengths: list[tuple[int, ...]] = [()] * len(inputs)
    return Program(Network(task.average), names, ["samples"], examples, compared, lengths, batch_size, False, notes)


def _batches(data: DataModule) -> Iterator[Batch]:
    """Yields batches of the validation data; of those that are there for testing alone, of the test."""
    only_test = getattr(data, "evaluation_only", False) and data.has_test
    yield from data.test_dataloader() if only_test else data.val_dataloader()


def _names(task: Task, batch: Batch) -> list[str]:
    """Returns what a batch calls the model's inputs."""
    by_id = {id(values): name for name, values in batch.items()}
    return [by_id.get(id(values), f"input_{place}") for place, values in enumerate(task.model_inputs(batch))]


def _lengths(task: Task, batches: Sequence[Batch]) -> list[tuple[int, ...]]:
    """Returns the dimensions of each input that differ from batch to batch, or may: tokens, and what has a length."""
    inputs = [task.model_inputs(batch) for batch in batches]
    found = []
    for name, *tensors in zip(_names(task, batches[0]), *inputs, strict=True):
        places = range(1, tensors[0].ndim)
        if tensors[0].is_floating_point():
            differ = {place for place in places if len({tensor.shape[place] for tensor in tensors}) > 1}
            differ |= {places[-1]} if f"{name}_length" in batches[0] else set()
        else:
            differ = set(places)
        found.append(tuple(sorted(differ)))
    return found


def _check_preprocessing(names: Sequence[str], raw: Batch, finished: Batch) -> None:
    if all(raw[name].dtype == finished[name].dtype and torch.equal(raw[name], finished[name]) for name in names):
        problem = "batches of these data are finished as they are read: a program would do nothing to them"
        raise OptionError("preprocessing", problem, "leave it out; export.json says what is done to the data")


@torch.no_grad()
def _warm_up(network: nn.Module, inputs: Inputs, longest: Any) -> None:
    """Lets the network make the tables that it keeps from call to call, as long as any text may be."""
    network(*inputs)
    if isinstance(longest, int) and len(inputs) == 1:
        network(inputs[0].new_ones(1, longest))


@torch.no_grad()
def _output_names(task: Task, network: Network, inputs: Inputs) -> list[str]:
    prepared = inputs if network.prepare is None else network.prepare(inputs)
    outputs = network.model(*rows(prepared, 1))
    fields: Sequence[str] | None = getattr(outputs, "_fields", None)
    if fields is not None:
        return list(fields)
    if isinstance(task, ForecastingTask):
        return ["forecast"]
    count = sum(isinstance(leaf, Tensor) for leaf in pytree.tree_leaves(outputs))
    kind = "logits" if isinstance(task, ClassificationTask) or count == 1 else "output"
    return [kind] if count == 1 else [f"{kind}_{place}" for place in range(count)]


def _examples(batches: Sequence[Inputs], batch_size: int | None) -> tuple[Inputs, list[Inputs]]:
    """Returns inputs to trace with, and others to compare on: a batch, and one sample of the next one."""
    if batch_size is not None:
        return rows(batches[0], batch_size), [rows(inputs, batch_size) for inputs in batches]
    most = min(len(batches[0][0]), LARGEST_BATCH)
    return rows(batches[0], 4), [rows(batches[0], most), rows(batches[-1], 1)]


def rows(inputs: Inputs, count: int) -> Inputs:
    """Returns the first samples, and the same again where there are too few.

    Args:
        inputs: of a batch.
        count: how many.
    """
    places = torch.arange(count) % len(inputs[0])
    return tuple(values[places] for values in inputs)
