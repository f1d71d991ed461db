"""A user's own texts: a CSV, TSV or JSONL file with a column of texts and a column of classes."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from zoo.data.bad_rows import judge_rows
from zoo.data.base import BadSample, Watch, unwatched
from zoo.data.csv_classes import class_names, fractions, lonely
from zoo.data.csv_file import Problem, check_delimiter, shown
from zoo.data.labelled_text import LabelledText
from zoo.data.text_rows import TextRows, read_text_rows
from zoo.data.texts import Texts
from zoo.data.tokenizer import Kind
from zoo.errors import DataError, OptionError
from zoo.ranges import AtLeastTwo, Fraction, NonNegativeInt, PositiveInt, Probability


class TextFiles:
    """Reads one file a split.

    Args:
        files: by split; `~` stands for the home folder.
        text: name of the column of texts.
        label: name of the column of classes.
        on_bad_sample: whether a bad row is an error or left out with a warning.
        **options: of `read_text_rows`.
    """

    def __init__(
        self,
        files: Mapping[str, str | None],
        text: str | None,
        label: str | None,
        *,
        on_bad_sample: Literal["error", "skip"],
        **options: Any,
    ) -> None:
        self.files = {split: Path(path).expanduser() for split, path in files.items() if path is not None}
        self.text, self.label, self.on_bad_sample, self.options = text, label, on_bad_sample, options
        self.class_names: Sequence[str] = ()

    def prepare(self) -> None:
        """Does nothing: there is nothing to download."""

    def load(self) -> dict[str, Texts]:
        """Returns the texts of each file.

        Raises:
            OptionError: no file is given, or a column is not there.
            DataError: a file cannot be used.
        """
        tables = self.read()
        for table in tables.values():
            self._judge(table)
        numbers = {name: number for number, name in enumerate(self.class_names)}
        return {
            split: Texts(
                table.texts,
                torch.tensor([numbers[target] for target in table.targets]),
                [f"{table.path.name} row {line}" for line in table.lines],
            )
            for split, table in tables.items()
        }

    def read(self) -> dict[str, TextRows]:
        """Reads the files and finds the classes; rows whose class cannot be learned are among the bad ones."""
        if not self.files:
            raise OptionError("data.path", "no file of texts given", "add data.path=FILE.csv")
        tables = {
            split: read_text_rows(path, self.text, self.label, **self.options) for split, path in self.files.items()
        }
        for table in tables.values():
            table.leave_out(fractions(table, self.label or ""))
        train = tables.get("train")
        if train is not None:
            self._leave_out_lonely(train)
        self.class_names = class_names((train or tables["test"]).targets)
        for split in ("val", "test") if train is not None else ():
            if split in tables:
                tables[split].leave_out(self._unknown(tables[split]))
        return tables

    def _leave_out_lonely(self, train: TextRows) -> None:
        """Moves the rows that are the only ones of their class to the bad ones.

        Raises:
            DataError: most of them are.
        """
        single = lonely(train, self.label or "")
        if len(single) > 2 and len(single) > len(train.targets) / 2:
            problem = f"column {self.label} has {len(set(train.targets)):,} values in {len(train.targets):,} rows"
            raise DataError(str(train.path), f"{problem}, and so holds no classes", "set data.label to another column")
        train.leave_out(single)
        if len(found := set(train.targets)) == 1 and not train.problems:
            problem = f"column {self.label} has one class ({shown(*found)}) in {len(train.targets):,} rows"
            raise DataError(str(train.path), problem, "2 or more are needed; set data.label to another column")

    def _unknown(self, table: TextRows) -> list[Problem]:
        """Returns the rows whose class is not one of those to train on."""
        of = self.files["train"].name
        rows = zip(table.lines, table.targets, strict=True)
        return [
            Problem(line, self.label or "", f"is {shown(target)}, which is no class of {of}")
            for line, target in rows
            if target not in self.class_names
        ]

    def _judge(self, table: TextRows) -> None:
        """Decides about the bad rows of a file.

        Raises:
            DataError: they are not to be left out, or too many would be, or too little is left.
        """
        bad, rows = table.num_rows - len(table.lines), table.num_rows
        judge_rows(table.path, table.problems, num_bad=bad, num_rows=rows, on_bad_sample=self.on_bad_sample)
        if "train" in self.files and len(self.class_names) < 2:
            problem = f"column {self.label} has {len(self.class_names)} classes in the rows that are left"
            raise DataError(str(self.files["train"]), problem, "2 or more are needed; set data.label to another column")


class TextFile(LabelledText):
    """Texts and classes in the columns of a CSV or TSV file with a header, or of a file with a JSON object a line.

    Classes are the distinct values of the label, whole numbers by value and text by alphabet. A row of another length
    than the header, and a cell that is empty or not in the encoding, is an error or, with its row, left out.

    Args:
        path: the file; `~` stands for the home folder.
        text: name of the column of texts.
        label: name of the column of classes.
        val_path: a file of the same columns to validate on; None to split it off.
        test_path: a file to test on; None to split it off.
        encoding: a name that Python knows.
        delimiter: what separates cells; None for a tab in a .tsv file, and to find it otherwise.
        quotes: whether quotation marks stand around cells; otherwise they are part of them.
        evaluation_only: whether nothing is trained on these texts: `path` is then a test split as a whole, and one
            class is enough.
        test_fraction: share of texts split off for testing where there is no `test_path`; None for 0.15.
        on_bad_sample: whether a bad row is an error or left out with a warning; at most a tenth is left out.
        tokenizer: what a token is: a character, a word, or a piece of a word that byte-pair encoding finds.
        lowercase: whether words are read in small letters.
        min_count: what the training texts have less often is an unknown token; of byte pairs, is not joined.
        max_vocab: tokens at most, padding and unknown among them; None for all, and for 4,096 of byte pairs.
        max_length: tokens at which a text is cut; None for the longest training text, and 512 at most.
        word_dropout: probability of each word of a training text to be read as unknown.
        device_cache: whether tokens are kept on the GPU that trains.
        batch_size: texts in a training batch of one process.
        eval_batch_size: texts in an evaluation batch, None for `batch_size`.
        val_fraction: share of the training texts that are held out where there is no `val_path`.
        split_seed: decides which texts are held out, and which `train_samples` are taken.
        seed: decides order and word dropout.
        train_samples: how many training texts to use, stratified by class; None for all.
        num_classes: fact that is checked against the data; None to leave it to them.
        vocab_size: fact likewise: how many tokens the tokenizer knows.
        tokenizer_state: a tokenizer that was trained before, as its `state` has it; None to train one.
    """

    def __init__(
        self,
        *,
        path: str | None,
        text: str | None,
        label: str | None,
        val_path: str | None = None,
        test_path: str | None = None,
        encoding: str = "utf-8",
        delimiter: str | None = None,
        quotes: bool = True,
        evaluation_only: bool = False,
        test_fraction: Fraction | None = None,
        on_bad_sample: Literal["error", "skip"] = "error",
        tokenizer: Kind = "words",
        lowercase: bool = True,
        min_count: PositiveInt = 1,
        max_vocab: AtLeastTwo | None = None,
        max_length: PositiveInt | None = None,
        word_dropout: Probability = 0.0,
        device_cache: bool = True,
        batch_size: PositiveInt = 64,
        eval_batch_size: PositiveInt | None = None,
        val_fraction: Fraction = 0.1,
        split_seed: NonNegativeInt = 0,
        seed: NonNegativeInt = 0,
        train_samples: PositiveInt | None = None,
        num_classes: PositiveInt | None = None,
        vocab_size: PositiveInt | None = None,
        tokenizer_state: Mapping[str, Any] | None = None,
    ) -> None:
        check_delimiter(delimiter)
        files = {"train": path, "val": val_path, "test": test_path}
        reading: dict[str, Any] = {"encoding": encoding, "delimiter": delimiter, "quotes": quotes}
        self.files = TextFiles(
            {"test": path} if evaluation_only else files, text, label, on_bad_sample=on_bad_sample, **reading
        )
        super().__init__(
            source=self.files,
            tokenizer=tokenizer,
            lowercase=lowercase,
            min_count=min_count,
            max_vocab=max_vocab,
            max_length=max_length,
            word_dropout=word_dropout,
            device_cache=device_cache,
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            val_fraction=val_fraction,
            split_seed=split_seed,
            seed=seed,
            train_samples=train_samples,
            num_classes=num_classes,
            vocab_size=vocab_size,
            tokenizer_state=tokenizer_state,
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
        """Share of the texts to split off for testing where there are none for it."""
        return 0.15 if self.test_fraction is None else self.test_fraction

    def scan(self, watch: Watch = unwatched) -> Iterator[BadSample]:
        """Looks at every row of every file; if all are right, at the batches."""
        tables = self.files.read().values()
        bad = [
            BadSample(f"{table.path} row {one.line}", one.in_row) for table in tables for one in sorted(table.problems)
        ]
        yield from bad or super().scan(watch)
