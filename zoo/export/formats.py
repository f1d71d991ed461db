"""The formats of exported programs: how each is written, and how what was written is run again."""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model, save_model
from torch import Tensor
from torch.export import Dim, ExportedProgram

from zoo.errors import OptionError
from zoo.export.program import Inputs, Program, rows
from zoo.export.recurrent import onnx_layers, whole_layers
from zoo.models.detection.torchvision_detector import TorchvisionDetector

Run = Callable[[Inputs], Sequence[Tensor]]

_ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_SIZES = ("batch", *(["length"] * 7))  # what dimensions of any size are called
_MOST_IN_ONE_FILE = 1 << 31  # bytes, a limit of ONNX


@dataclass(frozen=True)
class Format:
    """A format of exported programs.

    Attributes:
        suffix: of its files.
        packages: whose versions a file depends on.
        write: writes a program, and that as torch has traced it, to a file.
        read: returns what runs that file.
        is_program: whether the file runs without the code of the model.
    """

    suffix: str
    packages: tuple[str, ...]
    write: Callable[[Program, Any, Path, Mapping[str, str]], None]
    read: Callable[[Path, Program], Run]
    is_program: bool = True

    def check_packages(self) -> None:
        """Refuses, before anything is loaded, a format whose packages are not installed.

        Raises:
            OptionError: one is not.
        """
        for package in self.packages:
            if find_spec(package) is None:
                raise OptionError("format", f"the package {package} is not installed", "pip install .[export]")

    def versions(self) -> dict[str, str]:
        """Returns the versions of the packages."""
        return {package: version(package) for package in ("torch", *self.packages)}


def traced(program: Program) -> ExportedProgram:
    """Returns the network as torch traces it, for any number of samples and any length where an input has one.

    Raises:
        OptionError: torch cannot trace it.
    """
    if isinstance(program.model, TorchvisionDetector):
        problem = f"{type(program.model).__name__} makes lists of each image, which no program can hold"
        remedy = "export model=tiny_detector or model=backbone_detector, or set format=safetensors"
        raise OptionError("format", problem, remedy)
    batch = {0: Dim("batch")} if program.batch_size is None else {}
    shapes = tuple(batch | dict.fromkeys(lengths, Dim.AUTO) for lengths in program.lengths)
    try:
        with _quiet(), whole_layers():
            return torch.export.export(program.network, program.examples, dynamic_shapes=(shapes,))
    except Exception as error:
        fixed = "set batch_size=1 or " if program.batch_size is None else "set "
        raise _refused(program, "torch.export", error, f"{fixed}format=safetensors") from error


def described_inputs(program: Program, exported: ExportedProgram | None) -> list[dict[str, Any]]:
    """Returns name, shape and type of each input, with a word in the shape where it may be of any size.

    Args:
        program: what was exported.
        exported: as torch has traced it, which may have fixed a length; None where it has not.
    """
    free = [{0, *lengths} if program.batch_size is None else set(lengths) for lengths in program.lengths]
    if exported is not None:
        found = {node.name: node.meta["val"].shape for node in exported.graph.nodes if node.op == "placeholder"}
        shapes = [found[str(name)] for name in exported.graph_signature.user_inputs]
        free = [{place for place, size in enumerate(shape) if not isinstance(size, int)} for shape in shapes]
    described = []
    for name, values, places in zip(program.input_names, program.examples, free, strict=True):
        shape = [_SIZES[place] if place in places else size for place, size in enumerate(values.shape)]
        described.append({"name": name, "shape": shape, "dtype": str(values.dtype).removeprefix("torch.")})
    return described


def compared_batches(program: Program, described: Sequence[Mapping[str, Any]]) -> list[Inputs]:
    """Returns batches to compare on; in place of those whose length the program does not take, samples that it does.

    Args:
        program: what was exported.
        described: its inputs, as `described_inputs` does.
    """
    shapes = [value["shape"] for value in described]
    first = program.batches[0]

    def fits(inputs: Inputs) -> bool:
        pairs = [
            pair for shape, values in zip(shapes, inputs, strict=True) for pair in zip(shape, values.shape, strict=True)
        ]
        return all(size == asked for asked, size in pairs if isinstance(asked, int))

    return [inputs if fits(inputs) else rows(first, len(inputs[0])) for inputs in program.batches]


def _write_torch_export(program: Program, exported: ExportedProgram, path: Path, metadata: Mapping[str, str]) -> None:
    with _quiet():
        torch.export.save(exported, path, extra_files=dict(metadata))


def _read_torch_export(path: Path, program: Program) -> Run:
    with _quiet():
        module = torch.export.load(path).module()
    return lambda inputs: module(*inputs)


def _write_onnx(program: Program, exported: ExportedProgram, path: Path, metadata: Mapping[str, str]) -> None:
    try:
        with _quiet(), whole_layers():
            written: Any = torch.onnx.export(
                exported,
                custom_translation_table=onnx_layers(),
                input_names=program.input_names,
                output_names=program.output_names,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:
        raise _refused(program, "ONNX", error, "set format=torch_export") from error
    for node in written.model.graph:
        for value in node.outputs:  # of recurrent layers it takes the example's length for that of all
            value.shape = value.shape if value.is_graph_output() else None
    written.model.metadata_props.update(metadata)
    size = sum(value.nbytes for value in exported.state_dict.values())
    written.save(path, external_data=size >= _MOST_IN_ONE_FILE)


def _read_onnx(path: Path, program: Program) -> Run:
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)  # its warnings are of shapes that it infers, and mends itself
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = {value.name for value in session.get_inputs()}  # without those that the network does not use

    def run(inputs: Inputs) -> list[Tensor]:
        given = dict(zip(program.input_names, inputs, strict=True))
        outputs = session.run(None, {name: values.numpy() for name, values in given.items() if name in names})
        return [torch.from_numpy(output) for output in outputs]

    return run


def _write_safetensors(program: Program, exported: None, path: Path, metadata: Mapping[str, str]) -> None:
    save_model(program.model, str(path), dict(metadata))


def _read_safetensors(path: Path, program: Program) -> Run:
    model = program.model
    for tensor in model.state_dict().values():
        tensor.zero_()  # so that what the file lacks shows
    load_model(model, str(path))
    return lambda inputs: program.network(*inputs)


def _refused(program: Program, what: str, error: Exception, remedy: str) -> OptionError:
    """Returns what a user is told of a network that a library cannot take: the first line of its reason."""
    reason = str(error.__cause__ or error)
    lines = [line.strip() for line in reason.splitlines() if line.strip()] or [type(error).__name__]
    problem = f"{type(program.model).__name__} cannot be taken by {what} ({lines[0][:200]})"
    return OptionError("format", problem, f"{remedy}, or see why with debug=true")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the libraries from telling how they work."""
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


FORMATS = {
    "torch_export": Format(".pt2", (), _write_torch_export, _read_torch_export),
    "onnx": Format(".onnx", _ONNX_PACKAGES, _write_onnx, _read_onnx),
    "safetensors": Format(".safetensors", ("safetensors",), _write_safetensors, _read_safetensors, is_program=False),
}
