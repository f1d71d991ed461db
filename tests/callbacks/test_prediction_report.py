import csv
import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.callbacks.tiny_run import TinyData, TinyTask, tiny_trainer
from zoo.callbacks.final_report import gather
from zoo.callbacks.prediction_report import Mistake, PredictionReport
from zoo.callbacks.predictions import Predictions, join

FILES = ["confusion_matrix.png", "per_class.csv", "predictions.csv", "reliability.png", "worst_mistakes.png"]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("judge", "split"), [("test", "test"), ("validate", "val")])
def test_a_final_evaluation_leaves_tables_and_pictures(tmp_path, judge, split):
    torch.manual_seed(0)
    trainer = tiny_trainer(tmp_path, callbacks=[PredictionReport(tmp_path / "report")])
    getattr(trainer, judge)(TinyTask(), datamodule=TinyData(), verbose=False)
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == FILES
    samples = rows(tmp_path / "report" / "predictions.csv")
    assert [int(row["index"]) for row in samples] == list(range(48))
    assert samples[7]["name"] == f"{split}/007.png"
    assert samples[7]["target"] == "mid, grey"
    assert all(float(row["confidence"]) == max(float(row[f"p_{n}"]) for n in TinyData.class_names) for row in samples)


def test_validation_during_a_fit_leaves_nothing(tmp_path):
    trainer = tiny_trainer(tmp_path, max_epochs=1, callbacks=[PredictionReport(tmp_path / "report")])
    trainer.fit(TinyTask(), datamodule=TinyData())
    assert not (tmp_path / "report").exists()


def test_a_task_without_class_probabilities_leaves_nothing(tmp_path):
    task = TinyTask()
    task.test_step = lambda batch, batch_idx: {"preds": batch["input"], "targets": batch["input"]}
    trainer = tiny_trainer(tmp_path, callbacks=[PredictionReport(tmp_path / "report")])
    trainer.test(task, datamodule=TinyData(), verbose=False)
    assert not (tmp_path / "report").exists()


def test_the_most_confident_mistakes_are_kept_and_no_more(tmp_path):
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.5, 1, 60)
    wrong = generator.random(60) < 0.5
    report = PredictionReport(tmp_path, num_mistakes=5)
    trainer = tiny_trainer(tmp_path)
    trainer.datamodule = TinyData()
    for start in range(0, 60, 10):
        part = np.arange(start, start + 10)
        preds = torch.from_numpy(np.stack([confidence[part], 1 - confidence[part]], axis=1))
        batch = {"input": torch.zeros(10, 1, 8, 8) + torch.from_numpy(part).view(-1, 1, 1, 1) / 64}
        outputs = {
            "preds": preds,
            "targets": torch.from_numpy(wrong[part].astype(int)),
            "index": torch.from_numpy(part),
        }
        report.on_test_batch_end(trainer, TinyTask(), outputs, batch, start // 10)
    worst = sorted(np.flatnonzero(wrong), key=lambda sample: -confidence[sample])[:5]
    assert [mistake.sample for mistake in report._mistakes] == worst
    for mistake in report._mistakes:
        assert mistake.target == 1 and mistake.prediction == 0
        # the image is the sample's own: undoing the normalisation of sample/64 gives sample/64 * std + mean
        assert int(mistake.image[0, 0, 0]) == round(255 * min(1.0, mistake.sample / 64 * 0.25 + 0.5))


def _rank(rank: int, world_size: int, store: str, results: multiprocessing.Queue) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world_size)
    samples = np.array([0, 2, 4] if rank == 0 else [1, 3, 0])  # five samples, one repeated to fill up
    local = Predictions(np.eye(2, dtype=np.float32)[samples % 2], samples % 2, samples)
    mistake = Mistake(0.9, int(samples[1]), 0, 1, np.zeros((2, 2, 1), np.uint8))
    shards = gather(([local], [mistake]), world_size)
    joined = join([batch for shard in shards for batch in shard[0]], distinct=True)
    results.put((joined.indices.tolist(), [m.sample for shard in shards for m in shard[1]]))
    torch.distributed.destroy_process_group()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_the_processes_predictions_are_gathered_with_each_sample_once(tmp_path):
    context = multiprocessing.get_context("fork")  # a fresh interpreter would import for ten seconds
    results = context.Queue()
    processes = [context.Process(target=_rank, args=(rank, 2, str(tmp_path / "store"), results)) for rank in range(2)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(timeout=60)
    assert found == [([0, 1, 2, 3, 4], [2, 3])] * 2
