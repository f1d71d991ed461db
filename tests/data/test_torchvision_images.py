import gzip
import hashlib
import io
import os
import pickle
import tarfile
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from scipy.io import savemat
from torchvision import datasets

from zoo.data.torchvision_images import CIFARImages, EMNISTImages, MNISTImages, SVHNImages
from zoo.errors import DataError


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4) for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def files_below(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.fixture
def fashion(tmp_path, monkeypatch):
    """A root with four small packed files, whose checksums torchvision is told."""
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    arrays = [pixels(6, 28, 28), np.arange(6), pixels(3, 28, 28), np.arange(3)]
    resources = []
    for (name, _), array in zip(datasets.FashionMNIST.resources, arrays, strict=True):
        content = gzip.compress(idx(array))
        (folder / name).write_bytes(content)
        resources.append((name, md5(content)))
    monkeypatch.setattr(datasets.FashionMNIST, "resources", resources)
    return tmp_path, arrays


def test_packed_files_are_read_without_writing_beside_them(fashion):
    root, arrays = fashion
    before = files_below(root)
    source = MNISTImages(dataset="FashionMNIST", data_dir=str(root))
    source.prepare()
    splits = source.load()
    assert files_below(root) == before
    np.testing.assert_array_equal(splits["train"][0][:, 0].numpy(), arrays[0])
    np.testing.assert_array_equal(splits["test"][1].numpy(), arrays[3])
    assert splits["train"][0].shape == (6, 1, 28, 28) and splits["train"][1].dtype == torch.int64
    assert source.class_names[9] == "Ankle boot"


def test_unpacked_files_are_read_as_well(fashion):
    root, arrays = fashion
    for path in (root / "FashionMNIST" / "raw").glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    source = MNISTImages(dataset="FashionMNIST", data_dir=str(root))
    source.prepare()
    np.testing.assert_array_equal(source.load()["test"][0][:, 0].numpy(), arrays[2])


def test_a_damaged_file_is_named_with_both_checksums(fashion):
    root, _ = fashion
    path = root / "FashionMNIST" / "raw" / "train-images-idx3-ubyte.gz"
    good = md5(path.read_bytes())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError) as error:
        MNISTImages(dataset="FashionMNIST", data_dir=str(root)).load()
    found = md5(path.read_bytes())
    assert str(error.value) == f"{path}: damaged: md5 is {found}, not {good}; delete it, so that it is downloaded again"


def test_a_file_cut_off_after_unpacking_is_named(fashion):
    root, _ = fashion
    packed = root / "FashionMNIST" / "raw" / "train-images-idx3-ubyte.gz"
    packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes())[:-5])
    packed.unlink()
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: is no complete IDX file"):
        MNISTImages(dataset="FashionMNIST", data_dir=str(root)).load()


def test_a_failed_download_names_the_folder_the_files_and_the_remedy(tmp_path):
    (tmp_path / "file").touch()
    root = tmp_path / "file" / "data"  # cannot be made, so nothing is asked of the network
    with pytest.raises(DataError) as error:
        MNISTImages(dataset="KMNIST", data_dir=str(root)).prepare()
    line = str(error.value)
    assert line.startswith(f"{root}: KMNIST is not there and could not be downloaded (")
    assert "put KMNIST/raw/train-images-idx3-ubyte.gz, " in line and line.endswith("by paths.data_dir=")
    assert "\n" not in line


def test_a_set_comes_packed_and_checked_and_nothing_is_unpacked(fashion, tmp_path_factory, monkeypatch):
    root, arrays = fashion
    folder = root / "FashionMNIST" / "raw"
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        mirrors = [f"http://127.0.0.1:{server.server_address[1]}/{place}" for place in ("nowhere/", "")]
        monkeypatch.setattr(datasets.FashionMNIST, "mirrors", mirrors)
        target = tmp_path_factory.mktemp("target")
        source = MNISTImages(dataset="FashionMNIST", data_dir=str(target))
        source.prepare()
        np.testing.assert_array_equal(source.load()["train"][0][:, 0].numpy(), arrays[0])
        names = {path.name for path in (target / "FashionMNIST" / "raw").iterdir()}
        assert names == {path.name for path in folder.iterdir()}
        (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(b"evil")
        (target / "FashionMNIST" / "raw" / "t10k-labels-idx1-ubyte.gz").unlink()
        with pytest.raises(DataError, match="what came is not the right file, its md5 differs"):
            source.prepare()
        server.shutdown()
        thread.join()
    assert not (target / "FashionMNIST" / "raw" / "t10k-labels-idx1-ubyte.gz").exists()


def test_classes_of_digits_are_called_by_their_digit(tmp_path):
    assert MNISTImages(dataset="MNIST", data_dir=str(tmp_path)).class_names == list("0123456789")


def test_the_home_folder_is_known_by_its_short_name(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert MNISTImages(dataset="MNIST", data_dir="~/data").data_dir == tmp_path / "data"


@pytest.mark.parametrize("unpacked", [False, True])
def test_letters_are_upright_and_counted_from_zero(tmp_path, monkeypatch, unpacked):
    folder = tmp_path / "EMNIST" / "raw"
    folder.mkdir(parents=True)
    images, labels = pixels(26, 28, 28), np.arange(1, 27)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for part in ("train", "test"):
            for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
                name = f"emnist-letters-{part}-{kind}-ubyte"
                if unpacked:
                    (folder / name).write_bytes(idx(array))
                archive.writestr(f"gzip/{name}.gz", gzip.compress(idx(array)))
    if not unpacked:
        (folder / "gzip.zip").write_bytes(content.getvalue())
        monkeypatch.setattr(datasets.EMNIST, "md5", md5(content.getvalue()))
    source = EMNISTImages(split="letters", data_dir=str(tmp_path))
    source.prepare()
    read, targets = source.load()["test"]
    np.testing.assert_array_equal(read[:, 0].numpy(), images.transpose(0, 2, 1))
    assert targets.tolist() == list(range(26)) and source.class_names[0] == "a" and len(source.class_names) == 26


@pytest.fixture(params=["CIFAR10", "CIFAR100"])
def cifar(request, tmp_path, monkeypatch):
    """A root with a small archive of either set, whose checksums torchvision is told."""
    dataset = getattr(datasets, request.param)
    key = "labels" if request.param == "CIFAR10" else "fine_labels"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:

        def add(name: str, entry: dict) -> str:
            data = pickle.dumps(entry, protocol=2)
            member = tarfile.TarInfo(f"{dataset.base_folder}/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
            return md5(data)

        for files in ("train_list", "test_list"):
            entries = [
                [name, add(name, {"data": pixels(4, 3072), key: [3, 1, 2, 0]})] for name, _ in getattr(dataset, files)
            ]
            monkeypatch.setattr(dataset, files, entries)
        names = [f"class {number}" for number in range(4)]
        checksum = add(dataset.meta["filename"], {dataset.meta["key"]: names})
        monkeypatch.setattr(dataset, "meta", {**dataset.meta, "md5": checksum})
    (tmp_path / dataset.filename).write_bytes(content.getvalue())
    monkeypatch.setattr(dataset, "tgz_md5", md5(content.getvalue()))
    return tmp_path, dataset


@pytest.mark.parametrize("unpacked", [False, True])
def test_cifar_equals_torchvision(cifar, unpacked):
    root, dataset = cifar
    source = CIFARImages(dataset=dataset.__name__, data_dir=str(root))
    if unpacked:
        with tarfile.open(root / dataset.filename) as archive:
            archive.extractall(root, filter="data")
        (root / dataset.filename).unlink()
    before = files_below(root)
    source.prepare()
    splits = source.load()
    assert files_below(root) == before
    assert source.class_names[1] == "class 1"
    if unpacked:
        expected = dataset(root, train=True)
        np.testing.assert_array_equal(splits["train"][0].permute(0, 2, 3, 1).numpy(), expected.data)
        assert splits["train"][1].tolist() == expected.targets
    assert splits["test"][0].shape == (4, 3, 32, 32)


def test_nothing_is_unpickled_before_its_checksum_is_compared(cifar):
    root, dataset = cifar
    path = root / dataset.filename
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(DataError, match="damaged: md5 is"):
        CIFARImages(dataset=dataset.__name__, data_dir=str(root)).load()


def test_house_numbers_call_the_digit_zero_class_zero(tmp_path, monkeypatch):
    entries = {}
    for split in ("train", "test"):
        path = tmp_path / f"{split}_32x32.mat"
        savemat(path, {"X": pixels(32, 32, 3, 5), "y": np.array([[10], [1], [2], [9], [10]], dtype=np.uint8)})
        entries[split] = ["", path.name, md5(path.read_bytes())]
    monkeypatch.setattr(datasets.SVHN, "split_list", entries)
    source = SVHNImages(data_dir=str(tmp_path))
    source.prepare()
    images, labels = source.load()["train"]
    expected = datasets.SVHN(str(tmp_path), split="train")
    np.testing.assert_array_equal(images.numpy(), expected.data)
    assert labels.tolist() == expected.labels.tolist() == [0, 1, 2, 9, 0]


@pytest.mark.realdata
@pytest.mark.skipif("ZOO_DATA_DIR" not in os.environ, reason="ZOO_DATA_DIR is not set")
def test_the_real_fashion_mnist_is_read():
    splits = MNISTImages(dataset="FashionMNIST", data_dir=os.environ["ZOO_DATA_DIR"]).load()
    assert splits["train"][0].shape == (60_000, 1, 28, 28)
    assert splits["test"][1].bincount().tolist() == [1000] * 10
