"""`python -m zoo predict`: a folder of images without labels becomes a table and pictures."""

import csv
from pathlib import Path

import pytest
from PIL import Image

from tests.data.images_on_disk import content, folder
from zoo.__main__ import main
from zoo.config.entry import compose
from zoo.run import evaluate, train


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of two kinds of images, and the folder that it was trained on."""
    place = tmp_path_factory.mktemp("predict")
    folder(place / "images")
    options = ["data=image_folder", f"data.root={place / 'images'}", "data.image_size=32", "data.num_workers=0"]
    train(
        compose([*options, "data.batch_size=8", "model=lenet", "trainer.max_epochs=1", f"output_dir={place / 'run'}"])
    )
    return place / "run"


def predict(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, list[str]]:
    """Returns exit code, what was printed, and the lines of stderr."""
    with pytest.raises(SystemExit) as stop:
        main(["predict", *arguments])
    shown = capsys.readouterr()
    return int(stop.value.code or 0), shown.out, shown.err.splitlines()


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_what_is_predicted_is_what_an_evaluation_says(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = run.parent / "images"
    code, shown, _ = predict(capsys, f"ckpt={run}", f"input={images}", f"output={tmp_path / 'out'}")
    assert code == 0 and "40 of 40 files" in shown
    evaluate(compose([f"ckpt={run}", f"output_dir={tmp_path / 'judged'}"], "evaluate"))
    predicted = {row["name"]: row for row in table(tmp_path / "out" / "predictions.csv")}
    for row in table(tmp_path / "judged" / "predictions.csv"):
        assert predicted[row["name"]]["prediction"] == row["prediction"]
        assert float(predicted[row["name"]]["p_ants"]) == pytest.approx(float(row["p_ants"]), abs=1e-5)


def test_each_picture_names_its_class(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = run.parent / "images"
    predict(capsys, f"ckpt={run}", f"input={images}", f"output={tmp_path}", "pictures=3")
    pictures = sorted((tmp_path / "pictures").rglob("*.jpg"))
    assert [picture.relative_to(tmp_path / "pictures") for picture in pictures] == [
        Path("ants/00.jpg"),
        Path("ants/01.jpg"),
        Path("ants/02.jpg"),
    ]
    with Image.open(pictures[0]) as picture:
        assert picture.height > picture.width >= 160  # larger than the image, and a line of text under it


def test_one_image_is_enough(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = run.parent / "images" / "bees" / "03.jpeg"
    code, shown, _ = predict(capsys, f"ckpt={run}", f"input={image}", f"output={tmp_path}")
    assert code == 0 and shown.startswith("03.jpeg  ")
    assert [row["name"] for row in table(tmp_path / "predictions.csv")] == ["03.jpeg"]


def test_a_damaged_image_has_a_row_that_says_why(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mixed = tmp_path / "mixed"
    (mixed / "deep").mkdir(parents=True)
    (mixed / "deep" / "whole.jpg").write_bytes(content())
    (mixed / "damaged.png").write_bytes(content("PNG")[:200])
    (mixed / "text.jpg").write_text("hello")
    code, shown, _ = predict(capsys, f"ckpt={run}", f"input={mixed}", f"output={tmp_path / 'out'}")
    rows = {row["name"]: row for row in table(tmp_path / "out" / "predictions.csv")}
    assert code == 0 and list(rows) == ["damaged.png", "deep/whole.jpg", "text.jpg"]
    assert rows["text.jpg"]["problem"] == "it is text" and not rows["text.jpg"]["prediction"]
    assert rows["deep/whole.jpg"]["prediction"] in ("ants", "bees") and not rows["deep/whole.jpg"]["problem"]
    assert rows["damaged.png"]["problem"] and "1 of 3 files" in shown


def test_images_that_share_a_name_have_a_picture_each(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / "a.jpg").write_bytes(content())
    (images / "a.png").write_bytes(content("PNG", 1))
    predict(capsys, f"ckpt={run}", f"input={images}", f"output={tmp_path / 'out'}")
    assert sorted(path.name for path in (tmp_path / "out" / "pictures").iterdir()) == ["a.jpg.jpg", "a.png.jpg"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["input=nowhere"], "error: nowhere: there is no such file or folder; correct input="),
        (["input=tests/cli"], "error: tests/cli: no file in it can be predicted on; put some that end in .bmp"),
        (["input=tests", "pictures=-1"], "error: pictures: -1 given; give a number from 0 on, or null for all"),
        (["input=tests", "pictures=true"], "error: pictures: true is a truth value; must be an integer"),
        (["input=tests", "model.dropout=0.1"], "error: model.dropout: is part of the checkpoint; leave it out"),
    ],
)
def test_a_wrong_option_is_one_line(
    run: Path, options: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, errors = predict(capsys, f"ckpt={run}", *options)
    assert code == 2 and len(errors) == 1 and errors[0].startswith(line)


def test_images_of_which_none_can_be_decoded_are_an_error(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.jpg").write_text("hello")
    code, _, errors = predict(capsys, f"ckpt={run}", f"input={tmp_path}", f"output={tmp_path / 'out'}")
    assert code == 2 and errors == [
        f"error: {tmp_path / 'text.jpg'}: cannot be decoded (it is text); give images that can be"
    ]


def test_a_checkpoint_of_a_table_predicts_no_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"{number},{number % 2},{'even' if number % 2 else 'odd'}\n" for number in range(60))
    (tmp_path / "table.csv").write_text("a,b,label\n" + rows)
    options = ["data=table", f"data.path={tmp_path / 'table.csv'}", "data.target=label", "trainer.max_epochs=1"]
    train(compose([*options, "data.batch_size=8", f"output_dir={tmp_path / 'run'}"]))
    capsys.readouterr()
    code, _, errors = predict(capsys, f"ckpt={tmp_path / 'run'}", f"input={tmp_path}")
    assert code == 2 and errors[0].startswith("error: ckpt: its data are ")
