"""Every choice of every group composes and runs, and any model goes with any image data."""

import os
from pathlib import Path

import pytest
from omegaconf import DictConfig

from tests.data.images_on_disk import folder
from zoo.config.check import OptionErrors
from zoo.config.entry import compose
from zoo.errors import OptionError
from zoo.run import train

CONFIGS = Path(__file__).parent.parent / "configs"
SMALL = ["data.source.num_samples=300", "data.source.num_test_samples=50", "data.batch_size=8"]
SMALL_FILES = ["data.image_size=64", "data.batch_size=8", "data.num_workers=0"]
SHAPES = {"MNIST": (1, 28), "FashionMNIST": (1, 28), "CIFAR10": (3, 32)}


def choices(group: str) -> list[str]:
    return sorted(file.stem for file in (CONFIGS / group).glob("*.yaml") if not file.stem.startswith("_"))


def run_once(directory: Path, *overrides: str) -> None:
    train(compose(["trainer=fast_dev_run", "explanations=false", f"output_dir={directory}", *overrides]))


def goes_with(model: str, data: str) -> bool:
    """Whether the data have the facts that the model asks for."""
    try:
        compose([f"data={data}", f"model={model}"])
    except OptionErrors:
        return False
    return True


def needs_real_data(source: DictConfig) -> bool:
    """Whether the data lie below the folder that ZOO_DATA_DIR names."""
    return "data_dir" in source or str(source.get("root")).startswith("data/")


def is_gan(model: str) -> bool:
    return "_target_: zoo.models.gan." in (CONFIGS / "model" / f"{model}.yaml").read_text()


IMAGE_MODELS = [model for model in choices("model") if goes_with(model, "synthetic_images") and not is_gan(model)]


# These read a folder of photos or 3,000 sounds, and train large networks on them.
LONG = ("bccd_detector", "fsdd_bcresnet", "fsdd_strings_ctc", "hymenoptera_mobilenet", "hymenoptera_probe")


@pytest.mark.parametrize(
    "experiment",
    [pytest.param(name, marks=[pytest.mark.slow] if name in LONG else []) for name in choices("experiment")],
)
def test_every_experiment_runs(experiment: str, tmp_path: Path) -> None:
    data = compose([f"experiment={experiment}"]).data
    source = data.get("source", data)
    swap: list[str] = []
    if "dataset" in source:  # one to be downloaded: made-up images of its shape stand in
        in_channels, image_size = SHAPES[source.dataset]
        swap = ["data=synthetic_images", f"data.in_channels={in_channels}", f"data.image_size={image_size}", *SMALL]
    elif "root" in source and source.root is None and "data_dir" not in source:  # one's own folder
        swap = [f"data.root={folder(tmp_path / 'images')}", *SMALL_FILES, "pretrained=null"]
    elif needs_real_data(source) and "ZOO_DATA_DIR" not in os.environ:
        pytest.skip("ZOO_DATA_DIR, which names the folder of its data, is not set")
    run_once(tmp_path, f"experiment={experiment}", *swap)


def test_a_model_that_asks_for_other_data_is_refused_in_words() -> None:
    for model, fact in (("gpt", "vocab_size"), ("dlinear", "num_targets")):
        with pytest.raises(OptionErrors, match=f"model: needs data.{fact}, which these data do not have"):
            compose(["data=digits", f"model={model}"])
    with pytest.raises(OptionErrors, match=r"model: needs task.max_detections, which this task does not have"):
        compose(["data=digits", "model=tiny_detector"])


def test_every_model_goes_with_some_data() -> None:
    images = ["synthetic_images", "digits_segmentation", "digits_detection"]
    data = [*images, "waveforms", "python_lines", "stdlib_source", "co2", "ring"]
    assert not [model for model in choices("model") if not any(goes_with(model, name) for name in data)]


@pytest.mark.parametrize("model", IMAGE_MODELS)
@pytest.mark.parametrize("shape", ["1x8x8", pytest.param("3x64x48", marks=pytest.mark.slow)])
def test_any_model_goes_with_any_image_data(model: str, shape: str, tmp_path: Path) -> None:
    if model == "timm":
        pytest.importorskip("timm", reason="timm is an extra")
    channels, height, width = shape.split("x")
    size = [f"data.in_channels={channels}", f"data.image_size=[{height},{width}]", "data.num_classes=3"]
    run_once(tmp_path, "data=synthetic_images", *size, *SMALL, f"model={model}")


@pytest.mark.parametrize("optimizer", [name for name in choices("optimizer") if name != "two_adams"])
def test_every_optimizer_runs(optimizer: str, tmp_path: Path) -> None:
    run_once(tmp_path, f"optimizer={optimizer}", "trainer.gradient_clip_val=1.0")


def test_a_pair_of_optimizers_is_refused_where_one_network_is_trained(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="optimizer: a pair for one network; choose one, such as optimizer=adamw"):
        run_once(tmp_path, "optimizer=two_adams")


@pytest.mark.parametrize("scheduler", choices("scheduler"))
def test_every_schedule_runs(scheduler: str, tmp_path: Path) -> None:
    run_once(tmp_path, f"scheduler={scheduler}")


@pytest.mark.parametrize("loss", ["CrossEntropy", "FocalLoss", "BinaryCrossEntropy", "SquaredError"])
def test_every_loss_runs_with_mixed_labels(loss: str, tmp_path: Path) -> None:
    target = f"task.criterion._target_=zoo.losses.classification.{loss}"
    run_once(tmp_path, target, "task.criterion.label_smoothing=0.1", "data.augment.mixup=0.2", "task.l1=0.0001")


def test_callbacks_combine(tmp_path: Path) -> None:
    run_once(tmp_path, "callbacks=[ema,early_stopping]")


def test_a_class_by_its_path_replaces_a_choice(tmp_path: Path) -> None:
    run_once(tmp_path, "optimizer._target_=torch.optim.NAdam", "model.activation=torch.nn.Mish")


@pytest.mark.realdata
def test_fashion_mnist_is_read_where_it_lies(tmp_path: Path) -> None:
    if not (Path(os.environ.get("ZOO_DATA_DIR", "nowhere")) / "FashionMNIST").is_dir():
        pytest.skip("ZOO_DATA_DIR names no folder with FashionMNIST")
    run_once(tmp_path, "experiment=fashion_mnist_lenet")


@pytest.mark.realdata
def test_photos_in_folders_train(tmp_path: Path) -> None:
    root = Path(os.environ.get("ZOO_DATA_DIR", "nowhere")) / "hymenoptera"
    if not root.is_dir():
        pytest.skip("ZOO_DATA_DIR names no folder with hymenoptera")
    run_once(tmp_path, "data=image_folder", f"data.root={root}", "data.num_workers=0")
