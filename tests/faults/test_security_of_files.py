"""Files are read in one place each, and nothing that stands in one is run."""

import ast
import hashlib
import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import datasets

from tests.faults.conftest import Run
from zoo.config.construct import construct
from zoo.data.torchvision_images import CIFARImages, unpickle
from zoo.errors import DataError

ROOT = Path(__file__).parents[2]


def _calls(file: Path) -> set[str]:
    return {ast.unparse(node) for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Attribute)}


def test_files_are_unpickled_and_unpacked_in_one_place_each() -> None:
    loaders = {"torch.load", "torch.hub.load", "torch.hub.load_state_dict_from_url", "pickle.load", "pickle.loads"}
    loaders |= {"pickle.Unpickler", "torch.jit.load", "joblib.load", "torch.package.PackageImporter"}
    files = [file for file in (ROOT / "zoo").rglob("*.py")] + [ROOT / "train.py", ROOT / "evaluate.py"]
    found = {(file.relative_to(ROOT).as_posix(), call) for file in files for call in _calls(file) & loaders}
    assert found == {("zoo/checkpoint.py", "torch.load"), ("zoo/data/torchvision_images.py", "pickle.Unpickler")}
    unpacking = {call for file in files for call in _calls(file) if call.endswith((".extractall", ".unpack_archive"))}
    assert not unpacking


def test_a_pickle_of_cifar_with_code_in_it_is_refused(mark: Path) -> None:
    good = pickle.dumps({"data": np.arange(6, dtype=np.uint8), "labels": [1, 2]}, protocol=2)
    assert unpickle(good, Path("good"))["data"].tolist() == [0, 1, 2, 3, 4, 5]
    for evil in (Run(f"touch {mark}"), {"data": Run(f"touch {mark}")}, eval, os.system):
        with pytest.raises(DataError, match=r"evil: holds more than images and labels \(it asks for "):
            unpickle(pickle.dumps(evil, protocol=2), Path("evil"))
    assert not mark.exists()


def test_members_of_an_archive_do_not_leave_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name in ("../../outside", str(tmp_path / "absolute"), "batches.meta"):
            data = pickle.dumps({"label_names": ["a"]}, protocol=2)
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    root = tmp_path / "a" / "b"
    root.mkdir(parents=True)
    (root / "cifar-10-python.tar.gz").write_bytes(content.getvalue())
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", hashlib.md5(content.getvalue()).hexdigest())
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [["batches.meta", ""]])
    before = set(tmp_path.rglob("*"))
    with pytest.raises(KeyError):  # there are no images in it, but it has been read by then
        CIFARImages(dataset="CIFAR10", data_dir=str(root)).load()
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("variable", ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_WEIGHTS_ONLY_LOAD"])
def test_no_variable_lets_a_library_run_a_pickle(mark: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    for name in ("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_WEIGHTS_ONLY_LOAD"):
        monkeypatch.setenv(name, "0")  # so that both are put back
    torch.save(Run(f"touch {mark}"), "weights")
    monkeypatch.setenv(variable, "1")
    construct({"_target_": "torch.nn.Identity"}, "node")
    with pytest.raises(pickle.UnpicklingError):
        torch.load("weights", weights_only=False)  # as torchvision does
    assert not mark.exists()
