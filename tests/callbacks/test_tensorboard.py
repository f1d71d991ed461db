import pytest

from zoo.callbacks.tensorboard import TensorBoard, flatten, split_stage


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("train/loss", ("train", "loss")),
        ("val/accuracy", ("val", "accuracy")),
        ("test/map/small", ("test", "map/small")),
        ("lr", ("train", "lr")),
        ("throughput/samples_per_second", ("train", "throughput/samples_per_second")),
        ("test", ("train", "test")),
    ],
)
def test_a_name_is_split_into_the_stages_folder_and_the_tag(name, place):
    assert split_stage(name) == place


def test_a_config_is_flattened_to_plain_leaves():
    config = {
        "model": {"_target_": "zoo.models.cnn.convnet.ConvNet", "widths": [8, 16], "dropout": 0.1, "norm": None},
        "optimizer": {"_target_": "torch.optim.AdamW", "_partial_": True, "fused": False},
        "seed": 3,
    }
    assert flatten(config) == {
        "model": "ConvNet",
        "model.widths": "[8, 16]",
        "model.dropout": 0.1,
        "model.norm": "null",
        "optimizer": "AdamW",
        "optimizer.fused": "false",
        "seed": 3,
    }


def curves(directory) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer

    events = (
        EventMultiplexer(size_guidance={"tensors": 0}).AddRunsFromDirectory(str(directory / "tensorboard")).Reload()
    )
    found = {}
    for run, kinds in events.Runs().items():
        for tag in kinds["tensors"]:
            points = events.Tensors(run, tag)
            if points[0].tensor_proto.float_val:
                found[f"{run}:{tag}"] = [(p.step, round(p.tensor_proto.float_val[0], 4)) for p in points]
    return found


def test_stages_share_tags_and_epochs_have_an_axis_of_their_own(tmp_path):
    logger = TensorBoard(tmp_path)
    for epoch in range(2):
        for step in (1, 2):
            logger.log_metrics({"train/loss": 0.1 * step, "lr": 0.01}, step=2 * epoch + step)
        logger.log_metrics({"val/loss": 0.5, "epoch": epoch}, step=2 * epoch + 2)
        logger.log_metrics(
            {"train/loss": 0.15, "throughput/samples_per_second": 9.0, "epoch": epoch}, step=2 * epoch + 2
        )
    logger.finalize("success")
    assert curves(tmp_path) == {
        "train:loss": [(1, 0.1), (2, 0.2), (3, 0.1), (4, 0.2)],
        "train:lr": [(1, 0.01), (2, 0.01), (3, 0.01), (4, 0.01)],
        "train:throughput/samples_per_second": [(2, 9.0), (4, 9.0)],
        "train:epoch/loss": [(0, 0.15), (1, 0.15)],
        "train:epoch/throughput/samples_per_second": [(0, 9.0), (1, 9.0)],
        "val:loss": [(2, 0.5), (4, 0.5)],
        "val:epoch/loss": [(0, 0.5), (1, 0.5)],
        "hparams:val/loss": [(4, 0.5)],
        "hparams:train/loss": [(4, 0.15)],
    }


def test_a_resumed_run_replaces_what_was_logged_after_its_checkpoint(tmp_path):
    killed, resumed = TensorBoard(tmp_path), TensorBoard(tmp_path)
    for step in range(1, 6):
        killed.log_metrics({"train/loss": 1.0}, step=step)
    killed.finalize("failed")
    events = next((tmp_path / "tensorboard" / "train").iterdir())
    events.rename(events.with_name("events.out.tfevents.0000000001.killed"))  # files are read by age, in seconds
    for step in range(4, 8):
        resumed.log_metrics({"train/loss": 2.0}, step=step)
    resumed.finalize("success")
    assert curves(tmp_path)["train:loss"] == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 2.0), (5, 2.0), (6, 2.0), (7, 2.0)]


def test_an_epochs_values_are_on_disk_when_it_ends(tmp_path):
    logger = TensorBoard(tmp_path)
    logger.log_hyperparams({"seed": 1})
    logger.log_metrics({"val/loss": 0.5, "epoch": 0}, step=2)
    assert curves(tmp_path) == {"val:loss": [(2, 0.5)], "val:epoch/loss": [(0, 0.5)]}


def test_nothing_is_opened_before_the_first_value(tmp_path):
    logger = TensorBoard(tmp_path)
    logger.log_hyperparams({"seed": 1})
    logger.finalize("failed")
    assert list(tmp_path.iterdir()) == []


def test_other_processes_write_nothing(tmp_path, monkeypatch):
    from lightning.pytorch.utilities import rank_zero_only

    monkeypatch.setattr(rank_zero_only, "rank", 1)
    logger = TensorBoard(tmp_path)
    logger.log_metrics({"val/loss": 0.5, "epoch": 0}, step=2)
    logger.finalize("success")
    assert list(tmp_path.iterdir()) == []
