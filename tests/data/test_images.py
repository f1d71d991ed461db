import numpy as np
import pytest
import torch
from torchvision.transforms import functional

from zoo.data.augment import BatchAugment
from zoo.data.digits import Digits
from zoo.data.memory_images import MemoryImages
from zoo.data.pixels import resize, to_channels
from zoo.data.synthetic_images import SyntheticImages
from zoo.errors import DataError, OptionError


def made_up(**options) -> MemoryImages:
    source = SyntheticImages(num_samples=200, num_test_samples=40, num_classes=4, image_size=8)
    return MemoryImages(**{"source": source, "batch_size": 16, **options})


def ready(**options) -> MemoryImages:
    data = made_up(**options)
    data.facts()
    return data


def epoch_of(data: MemoryImages, epoch: int = 0) -> dict[str, torch.Tensor]:
    """Returns the samples of a training epoch after augmentation, in the order of their index."""
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)
    batches = [data.prepare_batch(batch, train=True) for batch in loader]
    joined = {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}
    order = joined["index"].argsort()
    return {name: values[order] for name, values in joined.items()}


def test_facts_are_found_and_measured():
    facts = made_up().facts()
    assert facts["num_classes"] == 4 and facts["in_channels"] == 3 and facts["image_size"] == 8
    data = ready()
    pixels = data.images["train"].numpy() / 255.0
    np.testing.assert_allclose(facts["mean"], pixels.mean((0, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(facts["std"], pixels.std((0, 2, 3)), atol=1e-6)


def test_a_given_fact_that_the_data_contradict_is_named():
    with pytest.raises(OptionError) as error:
        made_up(num_classes=7).facts()
    assert str(error.value) == "data.num_classes: 7 given but 4 found; remove the override"


def test_given_statistics_are_used_as_they_are():
    facts = made_up(mean=[0.1, 0.2, 0.3], std=[1.0, 2.0, 3.0]).facts()
    assert (facts["mean"], facts["std"]) == ([0.1, 0.2, 0.3], [1.0, 2.0, 3.0])
    with pytest.raises(OptionError, match="1 values for 3 channels"):
        made_up(mean=[0.1], std=[1.0]).facts()


def test_setup_loads_once():
    data = ready()
    images = data.images["train"]
    data.setup("fit")
    assert data.images["train"] is images


def test_validation_is_held_out_by_class_and_by_split_seed_alone():
    first, second = ready(seed=0, val_fraction=0.2), ready(seed=1, val_fraction=0.2)
    assert torch.equal(first.images["val"], second.images["val"])
    assert not torch.equal(first.images["val"], ready(split_seed=1, val_fraction=0.2).images["val"])
    assert first.labels["val"].bincount().tolist() == [10] * 4
    train, val = ({image.numpy().tobytes() for image in first.images[split]} for split in ("train", "val"))
    assert len(train) == 160 and len(val) == 40 and not train & val


def test_a_subset_for_training_leaves_validation_as_it_is():
    some, every = ready(train_samples=40), ready()
    assert some.labels["train"].bincount().tolist() == [10] * 4
    assert torch.equal(some.images["val"], every.images["val"])


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            {"val_fraction": 0.0},
            "data.val_fraction: 0 of 200 samples leaves none for validation; set it between 0 and 1, such as 0.1",
        ),
        (
            {"val_fraction": 1.0},
            "data.val_fraction: 1 of 200 samples leaves none for training; set it between 0 and 1, such as 0.1",
        ),
        (
            {"train_samples": 181},
            "data.train_samples: 181 asked, but only 180 training samples; lower it, or set null for all",
        ),
        (
            {"in_channels": 2},
            "data.in_channels: 2 asked, but the images have 3; set 1 or 3, or null for what the images have",
        ),
    ],
)
def test_an_option_that_does_not_fit_is_named_with_its_remedy(options, line):
    with pytest.raises(OptionError) as error:
        made_up(**options).facts()
    assert str(error.value) == line


@pytest.mark.parametrize("image_size", [0, -3, [0, 8], [8], [8, 8, 8], []])
def test_an_image_size_that_no_image_has_is_named_with_its_remedy(image_size):
    for build in (made_up, lambda **options: SyntheticImages(**options)):
        with pytest.raises(OptionError) as error:
            build(image_size=image_size)
        assert str(error.value) == (
            f"data.image_size: {image_size} given; give the side as one whole number of at least 1, or [height, width]"
        )


def test_data_smaller_than_a_batch_can_be_evaluated_but_not_trained_on():
    data = ready(batch_size=512)
    assert [len(batch["index"]) for batch in data.test_dataloader()] == [40]
    for ask in (data.check_training, data.train_dataloader):
        with pytest.raises(OptionError) as error:
            ask()
        assert str(error.value) == (
            "data.batch_size: 512 asked, but only 180 training samples; lower it to at most 180"
        )
    ready(batch_size=180).check_training()


def test_the_batches_of_all_processes_must_fit(monkeypatch):
    data = ready(batch_size=100)
    data.check_training()
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 0)
    with pytest.raises(OptionError) as error:
        data.train_dataloader()
    assert str(error.value) == (
        "data.batch_size: 100 asked by each of 2 processes, but only 180 training samples; lower it to at most 90"
    )


def test_batches_are_normalised_as_torchvision_does():
    data = ready()
    batch = next(iter(data.val_dataloader()))
    expected = functional.normalize(batch["input"] / 255, data.mean, data.std)
    result = data.prepare_batch(batch, train=False)
    torch.testing.assert_close(result["input"], expected, atol=1e-5, rtol=1e-5)
    assert batch["input"].dtype == torch.uint8
    assert result.keys() == {"input", "target", "index"}


def test_every_training_sample_comes_at_most_once_and_every_other_exactly_once():
    data = ready()
    index = epoch_of(data)["index"]
    assert len(index) == len(index.unique()) == 176
    for split, loader in (("val", data.val_dataloader()), ("test", data.test_dataloader())):
        index = torch.cat([batch["index"] for batch in loader])
        assert index.sort().values.tolist() == list(range(len(data.labels[split])))


def test_what_happens_to_a_sample_does_not_depend_on_the_batch_it_is_in():
    augment = BatchAugment(crop=2, flip=0.5, erase=0.3, trivial_augment=True)
    small, large = (epoch_of(ready(batch_size=size, augment=augment), 3) for size in (4, 180))
    assert torch.equal(small["input"], large["input"])
    other = epoch_of(ready(batch_size=4, augment=augment), 4)
    assert not torch.equal(small["input"], other["input"])


@pytest.mark.gpu
def test_a_gpu_gives_the_batches_of_the_cpu():
    data = ready(augment=BatchAugment(crop=2, flip=0.5, rotate=10.0, trivial_augment=True, erase=0.3, cutmix=1.0))
    batch = next(iter(data.train_dataloader()))
    expected = data.prepare_batch(batch, train=True)
    result = data.prepare_batch({name: values.cuda() for name, values in batch.items()}, train=True)
    # Bilinear sampling may round a pixel to the other side of a threshold.
    assert ((result["input"].cpu() - expected["input"]).abs() < 0.05).float().mean() > 0.99
    torch.testing.assert_close(result["soft_target"].cpu(), expected["soft_target"])


def test_mixed_batches_carry_soft_targets_only_in_training():
    data = ready(augment=BatchAugment(mixup=0.2))
    assert epoch_of(data)["soft_target"].shape == (176, 4)
    assert "soft_target" not in data.prepare_batch(next(iter(data.val_dataloader())), train=False)


def test_images_are_resized_and_recoloured_once():
    data = ready(image_size=[6, 10], in_channels=1)
    images = data.source.load()["test"][0]
    assert data.images["test"].shape == (40, 1, 6, 10)
    assert torch.equal(data.images["test"], resize(to_channels(images, 1), [6, 10]))
    assert data.preprocessing()["image_size"] == [6, 10]


def test_the_fingerprint_tells_other_data_apart():
    assert ready().fingerprint == ready(seed=5).fingerprint
    assert ready().fingerprint != ready(split_seed=5).fingerprint


def test_classes_are_aligned_by_name():
    data = made_up()
    data.align_classes(["other", "pattern 3", "pattern 1", "pattern 0", "pattern 2"])
    assert data.labels["test"][:4].tolist() == [3, 2, 4, 1]
    assert data.facts()["num_classes"] == 5
    with pytest.raises(DataError) as error:
        made_up().align_classes(["pattern 0", "pattern 3"])
    assert str(error.value) == (
        "data: classes pattern 1, pattern 2 are not among the checkpoint's pattern 0, pattern 3; "
        "rename them, or leave them out"
    )


def test_digits_equal_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    splits = Digits().load()
    images = torch.cat([splits["train"][0], splits["test"][0]]).numpy()
    labels = torch.cat([splits["train"][1], splits["test"][1]]).numpy()
    original = load_digits()
    expected = (original.images * 255 / 16).round().astype(np.uint8)
    ours = sorted((image.tobytes(), label) for image, label in zip(images, labels, strict=True))
    theirs = sorted((image.tobytes(), label) for image, label in zip(expected, original.target, strict=True))
    assert ours == theirs


def test_digits_have_a_fixed_test_split():
    first, second = (MemoryImages(source=Digits(), num_classes=10, split_seed=seed) for seed in (0, 1))
    assert first.facts()["image_size"] == second.facts()["image_size"] == 8
    assert torch.equal(first.images["test"], second.images["test"])
    assert [len(first.labels[split]) for split in ("train", "val", "test")] == [1294, 144, 359]
    assert first.labels["test"].bincount().min() >= 34
    assert first.class_names[7] == "7" and first.sample_name("test", 17) == "test[17]"


def test_some_classes_are_kept_and_renumbered():
    everything, some = (MemoryImages(source=Digits(), classes=names) for names in (None, [7, "3"]))
    for data in (everything, some):
        data.setup()
    assert some.class_names == ["7", "3"] and some.facts()["num_classes"] == 2
    labels = everything.labels["test"]
    assert torch.equal(some.images["test"], everything.images["test"][(labels == 7) | (labels == 3)])
    assert (some.labels["test"] == 0).sum() == (labels == 7).sum()


@pytest.mark.parametrize("classes", [[7, 7], ["seven", 3], [7]])
def test_classes_that_cannot_be_kept_are_named(classes):
    with pytest.raises(OptionError, match=r"data\.classes: "):
        MemoryImages(source=Digits(), classes=classes).setup()
