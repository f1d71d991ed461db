"""`python -m zoo export`: what is written gives what the model gives, and says all that is needed to use it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from zoo.__main__ import main
from zoo.cli.export import _USES
from zoo.config.entry import compose
from zoo.export.formats import FORMATS, Run
from zoo.export.program import Program
from zoo.run import train

SHORT = ["trainer.max_epochs=1", "trainer.limit_train_batches=1", "trainer.limit_val_batches=1", "explanations=false"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("export") / "run", "model=mlp")


def trained(directory: Path, *overrides: str) -> Path:
    train(compose([*SHORT, "trainer.limit_test_batches=1", f"output_dir={directory}", *overrides]))
    return directory


def export(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["export", *arguments])
    return int(stop.value.code or 0)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Returns the one line that a wrong option ends in."""
    assert export(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def record(directory: Path) -> Any:
    return json.loads((directory / "export.json").read_text())


def test_every_format_can_be_asked_for() -> None:
    assert list(_USES) == list(FORMATS)


def test_a_program_of_torch_export_takes_any_number_of_samples(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(f"ckpt={run}", "format=torch_export", f"output={tmp_path}") == 0
    assert "input   input  float32 (batch, 1, 8, 8)" in capsys.readouterr().out
    program = torch.export.load(tmp_path / "model.pt2").module()
    assert [program(torch.zeros(count, 1, 8, 8))[0].shape for count in (1, 7)] == [(1, 10), (7, 10)]
    found = record(tmp_path)
    assert found["inputs"] == [{"name": "input", "shape": ["batch", 1, 8, 8], "dtype": "float32"}]
    assert found["outputs"] == ["logits"] and found["class_names"] == [str(digit) for digit in range(10)]
    assert found["preprocessing"]["image_size"] == 8 and not found["includes_preprocessing"]
    assert [each["samples"] for each in found["differences"]] == [48, 1]
    assert all(each["relative"] < 1e-6 for each in found["differences"]) and found["versions"]["torch"]


def test_a_program_of_onnx_is_one_checked_file_of_any_name(run: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    assert export(f"ckpt={run}", "format=onnx", f"output={tmp_path / 'digits.onnx'}") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["digits.onnx", "export.json"]
    model = onnx.load(tmp_path / "digits.onnx")
    onnx.checker.check_model(model)
    assert json.loads({each.key: each.value for each in model.metadata_props}["class_names"])[3] == "3"
    assert record(tmp_path)["differences"][1]["samples"] == 1


def test_weights_alone_start_another_training(run: Path, tmp_path: Path) -> None:
    assert export(f"ckpt={run}", "format=safetensors", f"output={tmp_path}") == 0
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert json.loads(file.metadata()["config"])["model"]["_target_"] == "zoo.models.mlp.MLP"
        exported = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    saved = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(value, saved[f"model.{name}"]) for name, value in exported.items())
    compose_with = [f"pretrained={tmp_path / 'model.safetensors'}", "model=mlp", f"output_dir={tmp_path / 'again'}"]
    train(compose([*SHORT, "trainer.limit_test_batches=1", *compose_with]))


def test_a_program_with_preprocessing_takes_pixels(run: Path, tmp_path: Path) -> None:
    assert export(f"ckpt={run}", "format=torch_export", "preprocessing=true", f"output={tmp_path}") == 0
    assert record(tmp_path)["inputs"][0]["dtype"] == "uint8" and record(tmp_path)["includes_preprocessing"]
    program = torch.export.load(tmp_path / "model.pt2").module()
    assert program(torch.zeros(3, 1, 8, 8, dtype=torch.uint8))[0].shape == (3, 10)


def test_a_fixed_number_of_samples_is_the_only_one(run: Path, tmp_path: Path) -> None:
    assert export(f"ckpt={run}", "format=torch_export", "batch_size=2", f"output={tmp_path}") == 0
    assert record(tmp_path)["inputs"][0]["shape"] == [2, 1, 8, 8]


def test_a_generator_makes_samples_of_noise(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", "experiment=ring_gan")
    assert export(f"ckpt={run}", "format=torch_export", f"output={tmp_path}") == 0
    found = record(tmp_path)
    assert [value["name"] for value in found["inputs"]] == ["noise"] and found["outputs"] == ["samples"]


def test_texts_may_be_of_any_length(tmp_path: Path) -> None:
    pairs = tmp_path / "texts.csv"
    rows = [f"{'good ' * (row % 5 + 1)}day,up\n{'bad ' * (row % 7 + 1)}night,down\n" for row in range(30)]
    pairs.write_text("text,label\n" + "".join(rows))
    columns = [f"data.path={pairs}", "data.text=text", "data.label=label", "data.batch_size=8"]
    run = trained(tmp_path / "run", "data=text_file", *columns, "model=rnn", "model.hidden_size=8")
    assert export(f"ckpt={run}", "format=onnx", f"output={tmp_path}") == 0
    assert record(tmp_path)["inputs"][0]["shape"] == ["batch", "length"]
    assert record(tmp_path)["inputs"][0]["dtype"] == "int64"


def test_what_cannot_be_exported_says_so_in_a_line(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "did you mean onnx?" in refused(capsys, f"ckpt={run}", "format=onx")
    assert "end it in .onnx" in refused(capsys, f"ckpt={run}", "format=onnx", f"output={tmp_path / 'model.pt2'}")
    assert "batch_size" in refused(capsys, f"ckpt={run}", "format=onnx", "batch_size=0")
    assert "preprocessing" in refused(capsys, f"ckpt={run}", "format=safetensors", "preprocessing=true")
    monkeypatch.setattr("zoo.export.formats.find_spec", lambda name: None)
    assert "pip install .[export]" in refused(capsys, f"ckpt={run}", "format=onnx")


def test_a_program_that_differs_is_not_left_behind(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = FORMATS["torch_export"]

    def read_wrongly(path: Path, program: Program) -> Run:
        run_rightly = right.read(path, program)
        return lambda inputs: [2 * output for output in run_rightly(inputs)]

    monkeypatch.setitem(FORMATS, "torch_export", replace(right, read=read_wrongly))
    line = refused(capsys, f"ckpt={run}", "format=torch_export", f"output={tmp_path}")
    assert line.startswith("error: tolerance: 1.0e+00 of the largest output")
    assert not list(tmp_path.iterdir())
