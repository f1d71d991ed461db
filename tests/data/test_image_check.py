import warnings

import pytest
from PIL import Image

from tests.data import images_on_disk
from tests.data.images_on_disk import content, overwritten
from zoo.data.decode import decode, opened, upright_size
from zoo.data.image_check import check_whole, problems
from zoo.data.image_scan import check_file

FORMS = ["JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM"]


@pytest.mark.parametrize("form", FORMS)
def test_whole_images_pass(tmp_path, form):
    (tmp_path / "image").write_bytes(content(form))
    assert check_whole(tmp_path / "image") == ""


@pytest.mark.parametrize("options", [{"progressive": True}, {"quality": 30}, {"subsampling": 0}])
def test_whole_jpegs_of_all_kinds_pass(tmp_path, options):
    (tmp_path / "image").write_bytes(content("JPEG", **options))
    assert check_whole(tmp_path / "image") == ""


@pytest.mark.parametrize("mode", ["L", "CMYK", "YCbCr"])
def test_whole_jpegs_of_all_colours_pass(tmp_path, mode):
    Image.new(mode, (40, 30)).save(tmp_path / "image.jpg")
    assert check_whole(tmp_path / "image.jpg") == ""


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("start", [0.3, 0.5, 0.8])
def test_a_jpeg_damaged_in_the_middle_is_found_although_pil_decodes_it(tmp_path, start, progressive, capfd):
    path = tmp_path / "image.jpg"
    path.write_bytes(overwritten(content("JPEG", side=200, quality=90, progressive=progressive), start))
    check_file(path)
    assert "Corrupt JPEG data" in check_whole(path) or "broken" in check_whole(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("form", FORMS)
def test_an_image_without_its_second_half_is_found(tmp_path, form):
    whole = content(form, side=200)
    (tmp_path / "image").write_bytes(whole[: len(whole) // 2])
    assert check_whole(tmp_path / "image")


@pytest.mark.parametrize("num_workers", [0, 2])
def test_many_files_are_judged_in_order(tmp_path, num_workers):
    files = [tmp_path / f"{number}.jpg" for number in range(20)]
    for number, path in enumerate(files):
        path.write_bytes(content("JPEG", number) if number % 3 else b"")
    found = list(problems(files, num_workers))
    assert [bool(problem) for problem in found] == [number % 3 == 0 for number in range(20)]
    assert found[0] == "the file is empty"


@pytest.mark.parametrize("name", images_on_disk.odd_but_whole())
def test_odd_but_whole_images_are_read_without_a_warning(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(images_on_disk.odd_but_whole()[name])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_whole(path) == ""
        with opened(path) as image:
            assert decode(image, (0.0, 0.0, *map(float, upright_size(image))), (8, 8), 3).shape == (3, 8, 8)


def test_the_odd_exif_data_are_such_that_pil_warns(tmp_path):
    (tmp_path / "exif.jpg").write_bytes(images_on_disk.odd_but_whole()["exif.jpg"])
    with pytest.warns(UserWarning), Image.open(tmp_path / "exif.jpg") as image:
        image.getexif()


@pytest.mark.parametrize("form", ["GIF", "TIFF"])
def test_of_many_frames_the_first_is_taken(tmp_path, form):
    (tmp_path / "image").write_bytes(images_on_disk.many_frames(form))
    assert check_whole(tmp_path / "image") == ""


def test_no_format_is_opened_that_runs_a_program(tmp_path):
    (tmp_path / "image.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    with pytest.raises(OSError, match="it is text"):
        check_file(tmp_path / "image.jpg")
