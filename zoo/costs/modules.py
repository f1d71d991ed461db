"""Where the time of training steps goes, module by module, told from the events of torch's profiler."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import nn
from torch.autograd.profiler import record_function
from torch.autograd.profiler_util import FunctionEvent
from torch.utils.hooks import RemovableHandle

_BACKWARD = "autograd::engine::evaluate_function"


class ModuleRanges:
    """Marks what each module does in its forward pass for a profiler, by hooks that are on until `remove`.

    Args:
        modules: by their names.
    """

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        self._open: list[Any] = []
        self._hooks: list[RemovableHandle] = []
        for name, module in modules.items():
            self._hooks.append(module.register_forward_pre_hook(self._enter(range_name(name, module)), prepend=True))
            # Called where the module fails as well, and before hooks of others, whose work is not the module's.
            self._hooks.append(module.register_forward_hook(self._leave, prepend=True, always_call=True))

    def remove(self) -> None:
        """Takes the hooks off."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        while self._open:
            self._leave()

    def _enter(self, name: str) -> Any:
        def enter(module: nn.Module, inputs: Any) -> None:
            opened = record_function(name)
            opened.__enter__()  # type: ignore[no-untyped-call]
            self._open.append(opened)

        return enter

    def _leave(self, *_: Any) -> None:
        self._open.pop().__exit__(None, None, None)


@dataclass
class ModuleTime:
    """What a module has taken, without the modules in it.

    Attributes:
        module: its name in the model.
        kind: its class.
        calls: of its forward pass.
        forward: milliseconds of its own operations.
        backward: milliseconds of their gradients.
        share: of the time of all operations that were traced.
    """

    module: str
    kind: str
    calls: int = 0
    forward: float = 0.0
    backward: float = 0.0
    share: float = 0.0


class _Part(NamedTuple):
    module: str
    is_backward: bool


def range_name(name: str, module: nn.Module) -> str:
    """Returns what a trace calls the forward pass of a module."""
    return f"{name} ({type(module).__name__})"


def module_times(
    events: Iterable[FunctionEvent], modules: Mapping[str, nn.Module], *, on_device: bool
) -> list[ModuleTime]:
    """Returns what each module that was called has taken, the dearest first.

    Args:
        events: of a profiler, while `ModuleRanges` was on the modules.
        modules: by their names.
        on_device: whether the time of kernels counts, not that of the CPU that launches them.
    """
    ranges = {range_name(name, module): name for name, module in modules.items()}
    found = {name: ModuleTime(name, type(module).__name__) for name, module in modules.items()}
    total = 0.0
    for event, part in _parts(events, ranges):
        if event.is_user_annotation:
            if part is not None and event.name in ranges:
                found[part.module].calls += 1
            continue  # its own time is Python's
        milliseconds = (event.self_device_time_total if on_device else event.self_cpu_time_total) / 1000
        total += milliseconds
        if part is not None and part.is_backward:
            found[part.module].backward += milliseconds
        elif part is not None:
            found[part.module].forward += milliseconds
    called = [each for each in found.values() if each.calls]
    for each in called:
        each.share = (each.forward + each.backward) / total if total else 0.0
    return sorted(called, key=lambda each: each.share, reverse=True)


def _parts(events: Iterable[FunctionEvent], ranges: Mapping[str, str]) -> Iterable[tuple[FunctionEvent, _Part | None]]:
    """Yields each event on the CPU with the module whose forward or backward pass it is part of.

    A step of the backward pass has the number and the thread of the operation that it differentiates: of those that
    saw the counter at this number or below it, the last one.
    """
    on_cpu = [event for event in events if event.device_type.name == "CPU"]
    parts: dict[int, _Part | None] = {}
    numbers: dict[int, list[int]] = {}  # of each thread's operations that may be differentiated, as they rise
    makers: dict[int, list[_Part | None]] = {}
    for event in sorted(on_cpu, key=lambda event: (event.time_range.start, -event.time_range.end)):
        parent, thread = event.cpu_parent, event.thread
        part = parts.get(id(parent))
        is_gradient = event.name.startswith(_BACKWARD)
        if event.name in ranges and event.is_user_annotation:
            part = _Part(ranges[event.name], False)
        elif is_gradient and event.sequence_nr >= 0 and event.fwd_thread is not None:
            before = bisect_right(numbers.get(event.fwd_thread, []), event.sequence_nr)
            maker = makers[event.fwd_thread][before - 1] if before else None
            part = None if maker is None else _Part(maker.module, True)
        elif event.sequence_nr >= 0 and not _is_step_of(parent, event):
            numbers.setdefault(thread, []).append(event.sequence_nr)
            makers.setdefault(thread, []).append(part)
        parts[id(event)] = part
        yield event, part


def _is_step_of(parent: FunctionEvent | None, event: FunctionEvent) -> bool:
    """Whether an event is the backward step that its parent evaluates, and no operation of its own."""
    return parent is not None and parent.name.startswith(_BACKWARD) and parent.sequence_nr == event.sequence_nr
