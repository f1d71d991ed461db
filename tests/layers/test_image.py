import pytest

from zoo.layers.image import height_and_width


def test_one_number_is_a_square() -> None:
    assert height_and_width(28) == (28, 28)


def test_two_numbers_are_height_and_width() -> None:
    assert height_and_width([64, 48]) == (64, 48)


@pytest.mark.parametrize("image_size", [0, [64, 48, 3], [0, 8]])
def test_anything_else_is_refused(image_size: int | list[int]) -> None:
    with pytest.raises(ValueError, match="one positive number or"):
        height_and_width(image_size)


def test_rows_of_a_table_are_no_images() -> None:
    with pytest.raises(ValueError, match="set model=mlp"):
        height_and_width([])


def test_waveforms_are_no_images() -> None:
    with pytest.raises(ValueError, match=r"a waveform has one side, this model needs two; set data\.features=mel"):
        height_and_width([8000])
