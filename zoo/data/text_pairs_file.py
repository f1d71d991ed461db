"""A user's own pairs of texts: a CSV, TSV or JSONL file with a column that is read and one that is to be written."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from zoo.data.bad_rows import judge_rows
from zoo.data.base import BadSample, Watch, unwatched
from zoo.data.csv_file import Problem, check_delimiter, not_utf8
from zoo.data.pairs import Pairs
from zoo.data.text_pairs import TextPairs
from zoo.data.text_rows import read_columns
from zoo.data.tokenizer import Kind
from zoo.errors import OptionError
from zoo.ranges import AtLeastTwo, Fraction, NonNegativeInt, PositiveInt


class PairFiles:
    """Reads one file a split.

    Args:
        files: by split; `~` stands for the home folder.
        source: name of the column that is read.
        target: name of the column that is to be written.
        on_bad_sample: whether a bad row is an error or left out with a warning.
        **options: of `read_columns`.
    """

    def __init__(
        self,
        files: Mapping[str, str | None],
        source: str | None,
        target: str | None,
        *,
        on_bad_sample: Literal["error", "skip"],
        **options: Any,
    ) -> None:
        self.files = {split: Path(path).expanduser() for split, path in files.items() if path is not None}
        self.source, self.target, self.on_bad_sample, self.options = source, target, on_bad_sample, options

    def prepare(self) -> None:
        """Does nothing: there is nothing to download."""

    def load(self) -> dict[str, Pairs]:
        """Returns the pairs of each file.

        Raises:
            OptionError: no file is given, or a column is not there.
            DataError: a file cannot be used.
        """
        found = {}
        for split, (pairs, problems, num_rows) in self.read().items():
            bad = len({problem.line for problem in problems})
            path, judgement = self.files[split], self.on_bad_sample
            judge_rows(path, problems, num_bad=bad, num_rows=num_rows, on_bad_sample=judgement)
            found[split] = pairs
        return found

    def read(self) -> dict[str, tuple[Pairs, list[Problem], int]]:
        """Returns the good pairs, what is wrong with the other rows, and how many rows there are, by split."""
        if not self.files:
            raise OptionError("data.path", "no file of pairs given", "add data.path=FILE.tsv")
        return {split: self._read(path) for split, path in self.files.items()}

    def _read(self, path: Path) -> tuple[Pairs, list[Problem], int]:
        columns = {
            "data.source": (self.source, "texts to read"),
            "data.target": (self.target, "texts to write"),
        }
        sources, targets, names, problems, num_rows = [], [], [], list[Problem](), 0
        for line, cells, fault, num_lines in read_columns(path, columns, **self.options):
            num_rows += num_lines if fault else 1
            wrong = [Problem(line, "", fault)] if fault else self._wrong_cells(line, cells)
            if wrong:
                problems += wrong
                continue
            sources.append(cells[0])
            targets.append(cells[1])
            names.append(f"{path.name} row {line}")
        return Pairs(sources, targets, names), problems, num_rows

    def _wrong_cells(self, line: int, cells: list[str]) -> list[Problem]:
        problems = []
        for name, cell in zip((self.source or "", self.target or ""), cells, strict=True):
            if not cell:
                problems.append(Problem(line, name, "is empty"))
            if byte := not_utf8(cell):
                encoding = str(self.options.get("encoding", "utf-8")).upper()
                problems.append(Problem(line, name, f"has the byte {byte}, which is not {encoding} (data.encoding)"))
        return problems


class TextPairsFile(TextPairs):
    """Pairs in two columns of a CSV or TSV file with a header, or of a file with a JSON object a line.

    A row of another length than the header, and a cell that is empty or not in the encoding, is an error or, with its
    row, left out. What is split off has sources of its own: equal ones stand on one side.

    Args:
        path: the file; `~` stands for the home folder.
        source: name of the column that is read.
        target: name of the column that is to be written.
        val_path: a file of the same columns to validate on; None to split it off.
        test_path: a file to test on; None to split it off.
        encoding: a name that Python knows.
        delimiter: what separates cells; None for a tab in a .tsv file, and to find it otherwise.
        quotes: whether quotation marks stand around cells; otherwise they are part of them.
        evaluation_only: whether nothing is trained on these pairs: `path` is then a test split as a whole.
        test_fraction: share of sources split off for testing where there is no `test_path`; None for 0.1.
        on_bad_sample: whether a bad row is an error or left out with a warning; at most a tenth is left out.
        tokenizer: what a token is, of either side: a character, a word, or a piece of one that byte-pair encoding
            finds.
        lowercase: whether words are read, and written, in small letters.
        min_count: what the training texts have less often is an unknown token; of byte pairs, is not joined.
        max_vocab: tokens at most, of either side; None for all, and for 4,096 of byte pairs.
        max_length: tokens at which texts are cut; None for the longest of the training split, and 512 at most.
        device_cache: whether tokens are kept on the GPU that trains.
        batch_size: pairs in a training batch of one process.
        eval_batch_size: pairs in an evaluation batch, None for `batch_size`.
        val_fraction: share of the training sources that are held out where there is no `val_path`.
        split_seed: decides which are held out.
        seed: decides the order.
        source_vocab_size: fact that is checked against the data: tokens that are read; None to leave it to them.
        target_vocab_size: fact likewise: tokens that are written, the one at the end among them.
        source_tokenizer_state: a tokenizer that was trained before, as its `state` has it; None to train one.
        target_tokenizer_state: likewise.
    """

    def __init__(
        self,
        *,
        path: str | None,
        source: str | None,
        target: str | None,
        val_path: str | None = None,
        test_path: str | None = None,
        encoding: str = "utf-8",
        delimiter: str | None = None,
        quotes: bool = True,
        evaluation_only: bool = False,
        test_fraction: Fraction | None = None,
        on_bad_sample: Literal["error", "skip"] = "error",
        tokenizer: Kind = "characters",
        lowercase: bool = False,
        min_count: PositiveInt = 1,
        max_vocab: AtLeastTwo | None = None,
        max_length: AtLeastTwo | None = None,
        device_cache: bool = True,
        batch_size: PositiveInt = 64,
        eval_batch_size: PositiveInt | None = None,
        val_fraction: Fraction = 0.1,
        split_seed: NonNegativeInt = 0,
        seed: NonNegativeInt = 0,
        source_vocab_size: PositiveInt | None = None,
        target_vocab_size: PositiveInt | None = None,
        source_tokenizer_state: Mapping[str, Any] | None = None,
        target_tokenizer_state: Mapping[str, Any] | None = None,
    ) -> None:
        check_delimiter(delimiter)
        files = {"test": path} if evaluation_only else {"train": path, "val": val_path, "test": test_path}
        reading: dict[str, Any] = {"encoding": encoding, "delimiter": delimiter, "quotes": quotes}
        self.files = PairFiles(files, source, target, on_bad_sample=on_bad_sample, **reading)
        super().__init__(
            source=self.files,
            tokenizer=tokenizer,
            lowercase=lowercase,
            min_count=min_count,
            max_vocab=max_vocab,
            max_length=max_length,
            device_cache=device_cache,
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            val_fraction=val_fraction,
            split_seed=split_seed,
            seed=seed,
            source_vocab_size=source_vocab_size,
            target_vocab_size=target_vocab_size,
            source_tokenizer_state=source_tokenizer_state,
            target_tokenizer_state=target_tokenizer_state,
        )
        self.test_fraction = test_fraction

    @property
    def on_bad_sample(self) -> Literal["error", "skip"]:
        """Whether a bad row is an error or left out with a warning."""
        return self.files.on_bad_sample

    @on_bad_sample.setter
    def on_bad_sample(self, choice: Literal["error", "skip"]) -> None:
        self.files.on_bad_sample = choice

    @property
    def share_for_test(self) -> float:
        """Share of the sources to split off for testing where there are none for it."""
        return 0.1 if self.test_fraction is None else self.test_fraction

    def scan(self, watch: Watch = unwatched) -> Iterator[BadSample]:
        """Looks at every row of every file; if all are right, at the batches."""
        read = self.files.read()
        bad = [
            BadSample(f"{self.files.files[split]} row {one.line}", one.in_row)
            for split, (_, problems, _) in read.items()
            for one in sorted(problems)
        ]
        yield from bad or super().scan(watch)
