"""Embeddings of a run's data and of files, and what they are worth."""

import csv
import io
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest

from tests.data.images_on_disk import folder
from zoo.cli.features import main
from zoo.config.entry import compose
from zoo.run import train

MODEL = ["model=resnet_cifar", "model.depth=8", "model.width=4", "trainer=cpu", "trainer.max_epochs=1"]
LITTLE = ["callbacks.model_graph=null", "logger.tensorboard=null", "finetune=lora", "finetune.rank=2"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run on photographs, and their folder."""
    photos, run = folder(tmp_path_factory.mktemp("photos") / "root"), tmp_path_factory.mktemp("run") / "run"
    data = ["data=image_folder", f"data.root={photos}", "data.num_workers=0", "data.batch_size=8", "data.image_size=16"]
    train(compose([*data, *MODEL, *LITTLE, f"output_dir={run}"]))
    return run, photos


def call(*arguments: str) -> tuple[int, str]:
    said = io.StringIO()
    with redirect_stdout(said), pytest.raises(SystemExit) as end:
        main(arguments)
    return int(end.value.code or 0), said.getvalue()


def test_both_splits_are_written_and_judged(trained: tuple[Path, Path]) -> None:
    code, said = call(f"ckpt={trained[0]}")
    assert code == 0 and "test/neighbour_accuracy" in said and "test/linear_accuracy" in said
    with np.load(trained[0] / "checkpoints" / "features.npz") as found:
        assert found["features"].shape == (len(found["names"]), 16) == (len(found["labels"]), 16)
        assert set(found["splits"]) == {"train", "test"}
        folders = [name.split("/")[0] for name in found["names"]]
        assert [("ants", "bees")[label] for label in found["labels"]] == folders


def test_files_are_written_by_their_names(trained: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "new" / "files.csv"
    code, _ = call(f"ckpt={trained[0]}", f"input={trained[1]}", f"output={output}")
    rows = list(csv.DictReader(io.StringIO(output.read_text())))
    assert code == 0 and len(rows) == 40 and rows[0]["name"] == "ants/00.jpeg" and "label" not in rows[0]


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("output=features.txt", "error: output: features.txt ends in neither .npz nor .csv; name a file that does\n"),
        ("neighbours=0", "error: neighbours: 0 given; give a number from 1 on\n"),
        ("input=nowhere", "error: nowhere: there is no such file or folder; correct input=\n"),
    ],
)
def test_a_wrong_option_is_one_line(
    option: str, line: str, trained: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(f"ckpt={trained[0]}", option)[0] == 2
    assert capsys.readouterr().err.endswith(line)
