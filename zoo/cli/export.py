"""Writes a trained model as a program of torch.export or ONNX, or its weights alone, and compares it with the model."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from zoo.config.entry import run
from zoo.config.suggest import suggestion
from zoo.errors import OptionError

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from zoo.export.difference import Difference
    from zoo.export.formats import Format
    from zoo.export.program import Program

_HELP = """\
usage: python -m zoo export ckpt=RUN format=torch_export|onnx|safetensors [output=FOLDER]

{about}

  ckpt=RUN             a checkpoint, or the directory of a run
  format=torch_export  a program for torch.export.load (.pt2)
  format=onnx          a program for ONNX Runtime and others (.onnx); needs pip install .[export]
  format=safetensors   the weights alone (.safetensors), for the model's own code
  output=FOLDER        where it is written, or a file; without it export/FORMAT/ beside the checkpoint
  batch_size=N         the only number of samples that the program takes; without it any
  preprocessing=true   makes what is done to a batch a part of it: it takes pixels from 0 to 255, or sound as recorded
  tolerance=1e-4       of the largest output, by which the program's may differ from the model's

What was written is run on a batch of the validation data and on one sample, and must give what the model gives.
export.json beside it says what goes in and out, the classes, the preprocessing, and by how much it differs.
"""
# How what was written is used, by format.
_USES = {
    "torch_export": 'torch.export.load("{file}").module()(*inputs)',
    "onnx": 'onnxruntime.InferenceSession("{file}").run(None, inputs)',
    "safetensors": "python train.py ... pretrained={file}",
}


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit code.

    Args:
        arguments: overrides of `configs/export.yaml`.
    """
    run(_export, "export", argv=["-m zoo export", *arguments])


def _export(cfg: DictConfig) -> None:
    _check_options(cfg)
    from zoo.build import build_data, prepare_process  # torch is imported here, the options being right
    from zoo.export.formats import FORMATS, described_inputs, traced
    from zoo.export.program import make_program
    from zoo.restore import open_checkpoint
    from zoo.tasks.resumable import ResumableModule

    chosen = FORMATS[cfg.format]
    chosen.check_packages()
    prepare_process()
    found = open_checkpoint(cfg)
    data = build_data(found.cfg)
    task = found.task(ResumableModule)
    program = make_program(task, data, batch_size=cfg.batch_size, preprocessing=cfg.preprocessing)
    exported = traced(program) if chosen.is_program else None
    facts = {
        "format": cfg.format,
        "checkpoint": str(found.path),
        "task": type(task).__name__,
        "model": type(program.model).__name__,
        "inputs": described_inputs(program, exported),
        "outputs": program.output_names,
        "class_names": [str(name) for name in found.class_names],
        "preprocessing": data.preprocessing(),
        "includes_preprocessing": program.has_preprocessing,
        "notes": program.notes,
        "versions": chosen.versions(),
    }
    metadata = {**facts, "config": OmegaConf.to_container(found.cfg)}
    file = _file(cfg, found.path, chosen.suffix)
    compared = _write(cfg, file, chosen, program, exported, metadata)
    _record(cfg, file, facts, compared)


def _check_options(cfg: DictConfig) -> None:
    """Refuses what no schema knows of, before torch is imported.

    Raises:
        OptionError: the format is unknown, or a number is out of its range.
    """
    if cfg.format not in _USES:
        raise OptionError("format", f"{cfg.format} given", suggestion(str(cfg.format), _USES, "formats"))
    size = cfg.batch_size
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 1):
        raise OptionError("batch_size", f"{size} given", "give a whole number from 1 on, or null for any")
    if not cfg.tolerance > 0:
        raise OptionError("tolerance", f"{cfg.tolerance} given", "give a number above 0, such as 1e-4")
    if cfg.format == "safetensors" and cfg.preprocessing:
        raise OptionError("preprocessing", "weights alone do nothing to data", "leave it out, or set format=onnx")


def _file(cfg: DictConfig, checkpoint: Path, suffix: str) -> Path:
    """Returns the file to write to.

    Raises:
        OptionError: its name ends like those of another format.
    """
    output = Path(cfg.output or checkpoint.parent / "export" / cfg.format).expanduser()
    if output.suffix in {".pt2", ".onnx", ".safetensors", ".pt", ".pth"} - {suffix}:
        raise OptionError("output", f"{output.name} given for format={cfg.format}", f"end it in {suffix}")
    return output if output.suffix == suffix else output / f"model{suffix}"


def _write(
    cfg: DictConfig,
    file: Path,
    chosen: "Format",
    program: "Program",
    exported: "ExportedProgram | None",
    metadata: Mapping[str, Any],
) -> "Sequence[Difference]":
    """Writes the file, which takes its place once it was found to give what the model gives.

    Raises:
        OptionError: it does not.
        StorageError: it cannot be written.
    """
    from zoo.config.run_directory import make_directory
    from zoo.export.difference import differences
    from zoo.export.formats import compared_batches
    from zoo.failure import writing

    directory = make_directory(file.parent, option="output")
    texts = {name: json.dumps(value) for name, value in metadata.items()}
    with writing(file), TemporaryDirectory(prefix=".export-", dir=directory) as temporary:
        partial = Path(temporary, file.name)
        chosen.write(program, exported, partial, texts)
        batches = compared_batches(program, metadata["inputs"])
        compared = differences(program.network, lambda: chosen.read(partial, program), batches)
        worst = max(compared, key=lambda difference: difference.relative)
        if worst.relative > cfg.tolerance:
            problem = f"{worst.relative:.1e} of the largest output is what {file.name} differs by"
            raise OptionError("tolerance", problem, "set it higher if that will do, or choose another format")
        for part in Path(temporary).iterdir():
            part.replace(directory / part.name)
    return compared


def _record(cfg: DictConfig, file: Path, facts: dict[str, Any], compared: "Sequence[Difference]") -> None:
    """Writes `export.json`, and shows what goes in and out, by how much it differs and how it is used."""
    from dataclasses import asdict

    from zoo.failure import writing
    from zoo.files import write_json

    record = file.with_name("export.json")
    checks = [asdict(difference) for difference in compared]
    with writing(record):
        write_json(record, {**facts, "file": file.name, "tolerance": cfg.tolerance, "differences": checks})
    for value in facts["inputs"]:
        print(f"input   {value['name']}  {value['dtype']} ({', '.join(map(str, value['shape']))})")
    print(f"output  {', '.join(facts['outputs'])}")
    for note in facts["notes"]:
        print(f"note: {note}")
    for each in compared:
        samples = f"{each.samples} sample{'s' if each.samples > 1 else ''}"
        print(f"differs by {each.absolute:.1e}, {each.relative:.1e} of the largest output, on {samples}")
    size = file.stat().st_size / 1e6
    print(f"\n{file} ({size:.1f} MB), export.json\n\nnext:\n  {_USES[cfg.format].format(file=file)}")
