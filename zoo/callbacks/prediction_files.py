"""What a model says of files without labels: a table of all, and a picture of each of the first."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from lightning.pytorch import Callback, LightningModule, Trainer
from PIL import Image
from torch import Tensor

from zoo.callbacks.box_pictures import Boxes
from zoo.callbacks.captions import captioned
from zoo.callbacks.predicted_masks import Masks
from zoo.files import replacing

_MOST_PROBABILITIES = 100


class Telling(Protocol):
    """How one kind of predictions is told."""

    @property
    def columns(self) -> Sequence[str]:
        """The columns of the table beside the name of the file."""

    def rows(self, said: Mapping[str, Tensor]) -> list[list[Any]]:
        """Returns the cells of one file, a row for each thing that was found."""

    def line(self, said: Mapping[str, Tensor]) -> str:
        """Returns what is printed of one file."""

    def draw(self, picture: Image.Image, said: Mapping[str, Tensor]) -> Image.Image:
        """Returns a picture with what was found in it."""


class Classes:
    """One class a file, from {"probabilities": (K,)}.

    Args:
        class_names: K names.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = class_names
        self.shown = class_names if len(class_names) <= _MOST_PROBABILITIES else ()

    @property
    def columns(self) -> Sequence[str]:
        """The class, its probability, and the probability of each class where these are at most 100."""
        return ["prediction", "confidence", *(f"p_{name}" for name in self.shown)]

    def rows(self, said: Mapping[str, Tensor]) -> list[list[Any]]:
        """Returns one row."""
        shares = [f"{share:.6g}" for share in said["probabilities"][: len(self.shown)].tolist()]
        name, confidence = self._best(said)
        return [[name, f"{confidence:.6g}", *shares]]

    def line(self, said: Mapping[str, Tensor]) -> str:
        """Returns the class and its probability."""
        name, confidence = self._best(said)
        return f"{name} {100 * confidence:.1f} %"

    def draw(self, picture: Image.Image, said: Mapping[str, Tensor]) -> Image.Image:
        """Returns the picture over a line that names its class."""
        return captioned(picture, self.line(said))

    def _best(self, said: Mapping[str, Tensor]) -> tuple[str, float]:
        confidence, place = said["probabilities"].max(dim=0)
        return self.class_names[int(place)], float(confidence)


# By what a task's `predict_step` returns.
TELLINGS: dict[str, Callable[[Sequence[str]], Telling]] = {
    "probabilities": Classes,
    "masks": Masks,
    "detections": Boxes,
}


class PredictionFiles(Callback):
    """Writes `predictions.csv` and, under `pictures/`, images with what was found in them; masks under `masks/`.

    Args:
        directory: where they are written; it exists.
        files: what is predicted on.
        root: the folder that names of files are relative to.
        problems: files that could not be decoded, by their place; read when all is done.
        class_names: K names.
        pictures: how many pictures are drawn at most; None for one of each file.
        read: decodes an image in full, in colour and upright; None where it cannot be.

    Attributes:
        lines: what is printed of each file, by its place.
    """

    def __init__(
        self,
        directory: Path,
        files: Sequence[Path],
        *,
        root: Path,
        problems: Mapping[int, str],
        class_names: Sequence[str],
        pictures: int | None,
        read: Callable[[Path], Image.Image | None],
    ) -> None:
        self.directory, self.files, self.root, self.problems, self.read = directory, files, root, problems, read
        self.class_names, self.pictures = class_names, pictures
        self.lines: dict[int, str] = {}
        self._stems = Counter(file.with_suffix("") for file in files)
        self._telling: Telling | None = None
        self._rows: dict[int, list[list[Any]]] = {}

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Writes the rows and the pictures of a batch."""
        telling = self._telling = next(make(self.class_names) for name, make in TELLINGS.items() if name in outputs)
        said = {name: values.float().cpu() for name, values in outputs.items() if name != "index"}
        for row, place in enumerate(outputs["index"].tolist()):
            of_file = {name: values[row] for name, values in said.items()}
            self._rows[place] = telling.rows(of_file)
            self.lines[place] = telling.line(of_file)
            self._save_pictures(place, telling, of_file)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the table, with a row for each file that could not be decoded."""
        columns = list(self._telling.columns) if self._telling is not None else []
        problems = {place: [[""] * len(columns)] for place in self.problems}
        rows = self._rows | problems
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["name", *columns, "problem"])
        for place in sorted(rows):
            problem = self.problems.get(place, "")
            table.writerows([self.name(place), *cells, problem] for cells in rows[place])
        with replacing(self.directory / "predictions.csv") as file:
            file.write(text.getvalue().encode())

    def name(self, place: int) -> str:
        """Returns a file, relative to the folder."""
        return str(self.files[place].relative_to(self.root))

    def _save_pictures(self, place: int, telling: Telling, said: Mapping[str, Tensor]) -> None:
        is_drawn = self.pictures is None or place < self.pictures
        picture = self.read(self.files[place]) if is_drawn or isinstance(telling, Masks) else None
        if picture is None:
            return
        if is_drawn:
            telling.draw(picture, said).save(self._path("pictures", place, ".jpg"), quality=90)
        if isinstance(telling, Masks):
            telling.mask(picture.size, said).save(self._path("masks", place, ".png"))

    def _path(self, folder: str, place: int, suffix: str) -> Path:
        """Returns where a picture of a file is written; its own suffix stays where it tells files apart."""
        path = self.directory / folder / self.name(place)
        alone = self._stems[self.files[place].with_suffix("")] == 1
        path = path.with_suffix(suffix) if alone else path.with_name(f"{path.name}{suffix}")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path
