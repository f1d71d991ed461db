"""The small sets that torchvision downloads, read from its own files without writing anything beside them.

Archives are never unpacked: their members are read where they lie, so that none can leave its folder.

MNIST: Y. LeCun et al., 1998. Fashion-MNIST: H. Xiao et al., 2017, arXiv 1708.07747. Kuzushiji-MNIST: T. Clanuwat et
al., 2018, arXiv 1812.01718. EMNIST: G. Cohen et al., 2017, arXiv 1702.05373. CIFAR: A. Krizhevsky, 2009. SVHN: Y.
Netzer et al., 2011. Addresses and checksums are torchvision's.
"""

import codecs
import fcntl
import gzip
import hashlib
import io
import pickle
import tarfile
import warnings
import zipfile
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from zoo.download import fetch
from zoo.errors import DataError

Splits = dict[str, tuple[Tensor, Tensor]]


class TorchvisionImages:
    """Downloads a set where it is missing, and names the remedy where that fails.

    Args:
        dataset: the class in `torchvision.datasets`.
        data_dir: the folder that torchvision calls root; `~` stands for the home folder.
    """

    class_names: Sequence[str] = ()

    def __init__(self, dataset: str, data_dir: str) -> None:
        self.dataset, self.data_dir = dataset, Path(data_dir).expanduser()

    @property
    def info(self) -> Any:
        """The class in torchvision, which knows addresses, checksums and class names."""
        from torchvision import datasets

        return getattr(datasets, self.dataset)

    @abstractmethod
    def expected(self) -> Sequence[Path]:
        """Returns the files without which the set cannot be read, as torchvision lays them out."""

    @abstractmethod
    def is_there(self) -> bool:
        """Whether the files are there, packed or unpacked."""

    @abstractmethod
    def download(self) -> None:
        """Downloads the files to where torchvision lays them out."""

    @abstractmethod
    def load(self) -> Splits:
        """Returns images and labels of "train" and "test"."""

    def prepare(self) -> None:
        """Downloads the set if it is missing, one process at a time.

        Raises:
            DataError: it could not be downloaded.
        """
        if self.is_there():
            return
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            with (self.data_dir / f".{self.dataset}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not self.is_there():
                    self.download()
        except (OSError, RuntimeError) as error:  # URLError is an OSError
            reason = " ".join(str(error).split())
            files = ", ".join(str(path.relative_to(self.data_dir)) for path in self.expected())
            raise DataError(
                str(self.data_dir),
                f"{self.dataset} is not there and could not be downloaded ({reason})",
                f"put {files} into it, or name the folder that has them by paths.data_dir=",
            ) from error


class MNISTImages(TorchvisionImages):
    """MNIST and the sets made to replace it: 60,000 training and 10,000 test images, grey, 28 x 28.

    Args:
        dataset: which of them.
        data_dir: the folder that holds `<dataset>/raw`.
    """

    def __init__(self, *, dataset: Literal["MNIST", "FashionMNIST", "KMNIST"], data_dir: str) -> None:
        super().__init__(dataset, data_dir)
        # "7 - seven" is "7" for us, as in every other set of digits.
        self.class_names = [name.split(" - ")[0] for name in self.info.classes]

    def expected(self) -> Sequence[Path]:
        """Returns four files, images and labels of both splits."""
        return [self.data_dir / self.dataset / "raw" / name for name, _ in self.info.resources]

    def is_there(self) -> bool:
        """Whether each file is there, packed or unpacked."""
        return all(path.exists() or path.with_suffix("").exists() for path in self.expected())

    def download(self) -> None:
        """Downloads the four files."""
        for path, (name, md5) in zip(self.expected(), self.info.resources, strict=True):
            if not path.with_suffix("").exists():
                fetch([f"{mirror}{name}" for mirror in self.info.mirrors], path, checksum=f"md5:{md5}")

    def load(self) -> Splits:
        """Returns images and labels of both splits."""
        arrays = []
        for path, (_, md5) in zip(self.expected(), self.info.resources, strict=True):
            packed = path.exists()
            content = gzip.decompress(verified(path, md5)) if packed else path.with_suffix("").read_bytes()
            arrays.append(parse_idx(content, path))
        train_images, train_labels, test_images, test_labels = arrays
        return {
            "train": (train_images.unsqueeze(1), train_labels.long()),
            "test": (test_images.unsqueeze(1), test_labels.long()),
        }


class EMNISTImages(TorchvisionImages):
    """Handwritten letters and digits, grey, 28 x 28, turned upright.

    Args:
        split: which of its six sets; they have 62, 47, 47, 26, 10 and 10 classes.
        data_dir: the folder that holds `EMNIST/raw`.
    """

    def __init__(
        self,
        *,
        split: Literal["byclass", "bymerge", "balanced", "letters", "digits", "mnist"] = "balanced",
        data_dir: str,
    ) -> None:
        super().__init__("EMNIST", data_dir)
        self.split, self.folder = split, self.data_dir / "EMNIST" / "raw"
        self.class_names = [name for name in self.info.classes_split_dict[split] if name != "N/A"]
        self.names = {
            part: [f"emnist-{split}-{part}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1")]
            for part in ("train", "test")
        }

    def expected(self) -> Sequence[Path]:
        """Returns the archive."""
        return [self.folder / "gzip.zip"]

    def is_there(self) -> bool:
        """Whether the archive or the unpacked files of this split are there."""
        unpacked = [self.folder / name for names in self.names.values() for name in names]
        return self.expected()[0].exists() or all(path.exists() for path in unpacked)

    def download(self) -> None:
        """Downloads the archive of all six sets."""
        fetch([self.info.url], self.expected()[0], checksum=f"md5:{self.info.md5}")

    def load(self) -> Splits:
        """Returns images and labels of both splits."""
        read = self._reader()
        splits = {}
        for part, names in self.names.items():
            images, labels = (parse_idx(read(name), self.folder / name) for name in names)
            # The files hold columns first, and count letters from 1.
            offset = 1 if self.split == "letters" else 0
            splits[part] = images.transpose(1, 2).unsqueeze(1).contiguous(), labels.long() - offset
        return splits

    def _reader(self) -> Callable[[str], bytes]:
        """Returns what reads a file by name: unpacked where that is there, since checking 560 MB takes a second."""
        if all((self.folder / name).exists() for names in self.names.values() for name in names):
            return lambda name: (self.folder / name).read_bytes()
        archive = zipfile.ZipFile(io.BytesIO(verified(self.expected()[0], self.info.md5)))
        return lambda name: gzip.decompress(archive.read(f"gzip/{name}.gz"))


class CIFARImages(TorchvisionImages):
    """CIFAR-10 or CIFAR-100: 50,000 training and 10,000 test images, colour, 32 x 32.

    Args:
        dataset: which of the two.
        data_dir: the folder that holds the archive or the folder unpacked from it.
    """

    def __init__(self, *, dataset: Literal["CIFAR10", "CIFAR100"], data_dir: str) -> None:
        super().__init__(dataset, data_dir)

    def expected(self) -> Sequence[Path]:
        """Returns the archive."""
        return [self.data_dir / self.info.filename]

    def is_there(self) -> bool:
        """Whether the archive or the folder unpacked from it is there."""
        return self.expected()[0].exists() or self._unpacked()

    def download(self) -> None:
        """Downloads the archive."""
        fetch([self.info.url], self.expected()[0], checksum=f"md5:{self.info.tgz_md5}")

    def load(self) -> Splits:
        """Returns images and labels of both splits, and learns the class names; unpickles nothing unchecked."""
        meta, read = self.info.meta, self._reader()
        self.class_names = read([meta["filename"], meta["md5"]])[meta["key"]]
        splits = {}
        for split, files in (("train", self.info.train_list), ("test", self.info.test_list)):
            parts = [read(file) for file in files]
            images = torch.cat([torch.from_numpy(part["data"]).view(-1, 3, 32, 32) for part in parts])
            labels = [label for part in parts for label in part["labels" if "labels" in part else "fine_labels"]]
            splits[split] = images, torch.tensor(labels)
        return splits

    def _unpacked(self) -> bool:
        return Path(self.data_dir, self.info.base_folder, self.info.meta["filename"]).exists()

    def _reader(self) -> Callable[[Sequence[str]], dict[str, Any]]:
        """Returns what reads a file by name and checksum, from the folder or straight from the archive."""
        folder = self.data_dir / self.info.base_folder
        if self._unpacked():
            return lambda file: unpickle(verified(folder / file[0], file[1]), folder / file[0])
        with tarfile.open(fileobj=io.BytesIO(verified(self.expected()[0], self.info.tgz_md5))) as archive:
            opened = {Path(member.name).name: archive.extractfile(member) for member in archive}
            contents = {name: file.read() for name, file in opened.items() if file is not None}
        return lambda file: unpickle(contents[file[0]], self.expected()[0])


class SVHNImages(TorchvisionImages):
    """Street View House Numbers: 73,257 training and 26,032 test images, colour, 32 x 32.

    Args:
        data_dir: the folder that holds `train_32x32.mat` and `test_32x32.mat`.
    """

    class_names = tuple("0123456789")

    def __init__(self, *, data_dir: str) -> None:
        super().__init__("SVHN", data_dir)

    def expected(self) -> Sequence[Path]:
        """Returns the two files."""
        return [self.data_dir / self.info.split_list[split][1] for split in ("train", "test")]

    def is_there(self) -> bool:
        """Whether both files are there."""
        return all(path.exists() for path in self.expected())

    def download(self) -> None:
        """Downloads the two files."""
        for split, path in zip(("train", "test"), self.expected(), strict=True):
            url, _, md5 = self.info.split_list[split]
            fetch([url], path, checksum=f"md5:{md5}")

    def load(self) -> Splits:
        """Returns images and labels of both splits; the files call the digit 0 class 10."""
        from scipy.io import loadmat

        splits = {}
        for split, path in zip(("train", "test"), self.expected(), strict=True):
            table = loadmat(io.BytesIO(verified(path, self.info.split_list[split][2])))
            images = np.ascontiguousarray(table["X"].transpose(3, 2, 0, 1))
            labels = table["y"].astype(np.int64).ravel() % 10
            splits[split] = torch.from_numpy(images), torch.from_numpy(labels)
        return splits


def verified(path: Path, md5: str) -> bytes:
    """Reads a file whose checksum is known.

    Raises:
        DataError: the content is not what the checksum says.
    """
    content = path.read_bytes()
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise DataError(str(path), f"damaged: md5 is {found}, not {md5}", "delete it, so that it is downloaded again")
    return content


def parse_idx(content: bytes, path: Path) -> Tensor:
    """Parses an array of bytes in the format of MNIST: type and number of dimensions, their sizes, the numbers.

    Raises:
        DataError: the header is not such a one, or the file is cut off.
    """
    dimensions = content[3] if content[:3] == b"\0\0\x08" else 0
    header = 4 + 4 * dimensions
    shape = [int.from_bytes(content[place : place + 4]) for place in range(4, header, 4)]
    if not shape or len(content) - header != np.prod(shape):
        raise DataError(str(path), "is no complete IDX file of bytes", "delete it, so that it is downloaded again")
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=header).view(shape)


class _ArraysOnly(pickle.Unpickler):
    """Finds nothing but what arrays are put together from."""

    FOUND: ClassVar[dict[str, Any]] = {
        "numpy.ndarray": np.ndarray,
        "numpy.dtype": np.dtype,
        "_codecs.encode": codecs.encode,  # how Python 3 writes bytes in the format of Python 2
    }

    def find_class(self, module: str, name: str) -> Any:
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return np.ndarray(0).__reduce__()[0]
        if (found := self.FOUND.get(f"{module}.{name}")) is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return found


def unpickle(content: bytes, path: Path) -> dict[str, Any]:
    """Unpickles a file of CIFAR, whose checksum was compared before: arrays, lists, texts and numbers.

    Raises:
        DataError: it holds anything else.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the arrays were pickled by a numpy of 2009
        try:
            return dict(_ArraysOnly(io.BytesIO(content), encoding="latin1").load())
        except pickle.UnpicklingError as error:
            raise DataError(str(path), f"holds more than images and labels ({error})", "delete it") from error
