"""Which values an annotation allows."""

import ast
from pathlib import Path

import pytest

from zoo.config.annotations import rule_of
from zoo.config.source import Module

_MODULE = Module("nowhere", Path(__file__), is_package=False)
NODE = {"_target_": "anything"}
Alias = "int | None"


@pytest.mark.parametrize(
    ("annotation", "right", "wrong"),
    [
        ("int", [1, -1, NODE], [1.0, True, "1", None, [1], {}]),
        ("float", [1, 1.5, NODE], [True, "1", None]),
        ("bool", [True, False], [0, "true", None]),
        ("str", ["a", NODE], [1, None, ["a"]]),
        ("int | None", [1, None], [1.5, "a"]),
        ("Optional[int]", [1, None], [1.5]),
        ("Union[list[int], str, int]", [[1], "auto", 1], [1.5, [1.5]]),
        ("Sequence[int]", [[1, 2], []], ["12", 1, [1, "a"]]),
        ("tuple[float, float]", [[0.9, 0.99]], [[0.9], [0.9, "a"], 0.9]),
        ("tuple[int, ...]", [[1], [1, 2, 3]], [1, ["a"]]),
        ("dict[str, int]", [{"a": 1}], [[1], 1]),
        ("float | Tensor", [0.1, NODE], ["abc"]),
        ('Literal["max", "avg"]', ["max"], ["min", 1]),
        ("Literal[1] | None", [1, None], [True, "1"]),
        ("PositiveInt", [1, NODE], [0, 1.5, True, "a"]),
        ("NonNegativeFloat | None", [0, 0.5, None], [-0.1]),
        ("Probability", [0, 0.99], [1, 1.5, float("nan")]),
        ("Fraction", [0, 1], [1.01]),
        ("Sequence[PositiveInt]", [[1, 2]], [[0]]),
        ("'int | None'", [1, None], ["a"]),
        ("Callable[..., Any]", [1, "a", None], []),
        ("SomethingUnknown", [1, "a", None], []),
        ("int | SomethingUnknown", [1, "a", None], []),
        ("ranges.PositiveInt", [1], [0]),
        ("Alias", [1, None], ["a"]),
    ],
)
def test_an_annotation_allows_what_it_says(annotation: str, right: list[object], wrong: list[object]) -> None:
    rule = rule_of(ast.parse(annotation, mode="eval").body, _MODULE)
    assert [value for value in right if not rule.accepts(value)] == []
    assert [value for value in wrong if rule.accepts(value)] == []


def test_no_annotation_allows_anything() -> None:
    assert rule_of(None, _MODULE).accepts("anything")
