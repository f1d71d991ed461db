"""`python -m zoo sample`: images, grids and walks of a generator, and points as a table."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.__main__ import main
from zoo.config.entry import compose
from zoo.run import train

QUICK = ["trainer=cpu", "trainer.max_epochs=1", "logger.tensorboard=null", "callbacks.model_graph=null"]
QUICK += ["callbacks.console=null", "trainer.limit_train_batches=2", "trainer.limit_val_batches=1"]
IMAGES = [
    "data=digits",
    "task=adversarial",
    "metric.features=null",
    "model=sngan_conditional",
    "model.generator.width=2",
    "model.generator.latent_dim=4",
]
IMAGES += ["model.discriminator.width=2", "data.batch_size=16"]
POINTS = ["data=ring", "data.num_samples=100", "data.num_eval_samples=20", "data.batch_size=50"]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("images")
    train(compose([*IMAGES, *QUICK, "optimizer.generator.lr=0.1", "task.average_decay=0", f"output_dir={directory}"]))
    return directory


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("points")
    train(compose([*POINTS, *QUICK, f"output_dir={directory}"]))
    return directory


def sample(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, list[str]]:
    """Returns exit code, what was written, and the lines of stderr."""
    with pytest.raises(SystemExit) as stop:
        main(["sample", *arguments])
    shown = capsys.readouterr()
    return int(stop.value.code or 0), shown.out, shown.err.splitlines()


def pictures(folder: Path) -> dict[str, np.ndarray]:
    return {path.name: np.asarray(Image.open(path)) for path in sorted(folder.glob("0*.png"))}


def test_images_are_a_function_of_seed_and_number(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = {"few": ["num=3"], "many": ["num=19"], "other": ["num=3", "seed=1"], "three": ["num=3", "label=3"]}
    for name, given in runs.items():
        assert sample(capsys, f"ckpt={images}", *given, f"output={tmp_path / name}")[0] == 0
    few, many, other, three = (pictures(tmp_path / name) for name in runs)
    assert [*few] == ["00000.png", "00001.png", "00002.png"] and len(many) == 19
    assert all(np.array_equal(image, many[name]) for name, image in few.items())
    assert all(not np.array_equal(image, other[name]) for name, image in few.items())
    assert not np.array_equal(few["00000.png"], three["00000.png"])  # without label= all classes in turn
    assert few["00000.png"].shape == (8, 8)
    height, width, _ = np.asarray(Image.open(tmp_path / "many" / "grid.png")).shape
    assert (height, width) == (10 * 100 + 4, 2 * 100 + 4)  # a row for each class


def test_a_walk_goes_round_and_shows_all_classes(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = sample(capsys, f"ckpt={images}", "num=3", "walk=4", f"output={tmp_path}")
    assert code == 0 and out.strip() == f"{tmp_path}: 00000.png to 00002.png, grid.png, walk.gif"
    with Image.open(tmp_path / "walk.gif") as walk:
        assert (walk.n_frames, walk.size) == (12, (5 * 100 + 4, 2 * 100 + 4))


def test_points_become_a_table_and_a_picture(points: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for count in (5, 40):
        assert sample(capsys, f"ckpt={points}", f"num={count}", f"output={tmp_path / str(count)}")[0] == 0
    few, many = ((tmp_path / name / "samples.csv").read_text().splitlines() for name in ("5", "40"))
    assert few == many[:5] and len(many) == 40 and len(few[0].split(",")) == 2
    assert (tmp_path / "5" / "samples.png").is_file()


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("images", ["num=0"], "error: num: 0 given; must be an integer, at least 1"),
        ("images", ["num=many"], "error: num: many is text; must be an integer"),
        ("images", ["walk=-1"], "error: walk: -1 given; must be an integer, at least 0"),
        ("images", ["label=seven"], "error: label: there is no class seven; classes: 0, 1, 2"),
        ("images", ["num=1", "walk=3"], "error: walk: it leads from one image to the next; set num=2 or more"),
        ("images", ["nmu=3"], "error: nmu: unknown option; did you mean num?"),
        ("points", ["label=1"], "error: label: the generator is told no classes; leave it out"),
        ("points", ["walk=3"], "error: walk: it leads from one image to the next, and these are none; leave it out"),
        ("images", ["output=/proc/none"], "error: output: cannot create the directory"),
    ],
)
def test_what_is_wrong_is_one_line(
    kind: str, arguments: list[str], message: str, images: Path, points: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = sample(capsys, f"ckpt={images if kind == 'images' else points}", *arguments)
    assert (code, out, len(err)) == (4 if "output" in message else 2, "", 1) and err[0].startswith(message)


def test_help_waits_for_no_torch() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "zoo", "sample", "--help"]
    process = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert process.returncode == 0 and "walk=FRAMES" in process.stdout
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in process.stderr.splitlines()}
    assert not imported & {"torch", "lightning", "numpy"}
