"""`python -m zoo` and its command check: what they print, and how they exit."""

import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from tests.data import images_on_disk
from tests.data.tables import with_cell, write
from zoo.__main__ import commands, main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str], list[str]]:
    """Returns exit code and the lines of both outputs."""
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    shown = capsys.readouterr()
    return code, shown.out.splitlines(), shown.err.splitlines()


def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str], list[str]]:
    return run(capsys, "check", *arguments)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_the_commands_with_what_they_do(arguments, capsys):
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert "  check" in "\n".join(out) and commands()["check"] in "\n".join(out)


@pytest.mark.parametrize("name", commands())
def test_every_command_has_help(name, capsys):
    code, out, err = run(capsys, name, "--help")
    assert (code, err) == (0, []) and out[0].startswith(f"usage: python -m zoo {name} ")


def test_every_command_says_what_it_does():
    assert all(commands().values())


@pytest.mark.parametrize(("name", "hint"), [("chekc", "did you mean check? (commands: "), ("nonsense", "commands: ")])
def test_an_unknown_command_is_one_line_with_the_nearest_name(name, hint, capsys):
    code, _, err = run(capsys, name)
    assert code == 2 and len(err) == 1
    assert err[0].startswith(f"error: {name}: unknown command; {hint}") and "check" in err[0]


@pytest.mark.parametrize("arguments", [["--help"], ["check", "--help"], ["check", "data=tabel"], ["nonsense"]])
def test_help_and_errors_wait_for_no_torch(arguments):
    command = [sys.executable, "-X", "importtime", "-m", "zoo", *arguments]
    process = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert process.returncode in (0, 2)
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in process.stderr.splitlines()}
    assert not imported & {"torch", "lightning", "numpy"}


def test_data_without_a_fault_are_summed_up(capsys):
    code, out, err = check(capsys, "data=digits")
    assert (code, err) == (0, [])
    assert "train        1,294 samples" in out and out[-1] == "no bad samples"
    assert any(line.startswith("classes      10: 0 178, 1 182") for line in out)


def test_every_bad_image_is_listed_and_the_last_line_is_the_error(tmp_path, capsys):
    images_on_disk.folder(tmp_path)
    for name in ("a", "b", "c", "d", "e", "f"):
        (tmp_path / "ants" / f"{name}.jpg").touch()
    code, out, err = check(capsys, "data=image_folder", f"data.root={tmp_path}", "data.num_workers=0")
    assert code == 2
    assert [line for line in out if line.startswith("bad: ")] == [
        f"bad: {tmp_path}/ants/{name}.jpg: the file is empty" for name in "abcdef"
    ]
    assert err == [
        f"error: {tmp_path}/ants/a.jpg: the file is empty, and 5 more problems are listed above; "
        "mend or remove them, or set data.on_bad_sample=skip"
    ]


def test_a_table_is_summed_up_without_its_bad_rows(tmp_path, capsys):
    path = write(tmp_path / "a.csv", with_cell(3, 1, "abc"))
    code, out, err = check(capsys, "data=table", f"data.path={path}", "data.target=kind", "data.batch_size=8")
    assert code == 2
    assert "classes      3: ash 20, elm 20, oak 19" in out
    assert f"bad: {path} row 5: column height is text (abc)" in out
    assert len(err) == 1 and err[0].startswith(f"error: {path} row 5: column height is text (abc); mend")


def test_a_table_without_a_fault_passes(tmp_path, capsys):
    path = write(tmp_path / "a.csv")
    assert check(capsys, "data=table", f"data.path={path}", "data.target=kind", "data.batch_size=8")[0] == 0


def test_data_that_do_not_fill_a_batch_are_noted(tmp_path, capsys):
    path = write(tmp_path / "a.csv")
    code, out, _ = check(capsys, "data=table", f"data.path={path}", "data.target=kind", "data.batch_size=500")
    assert code == 0
    assert any(line.startswith("note: this cannot be trained on: data.batch_size: 500 asked") for line in out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data=tabel"], "error: data=tabel: unknown choice; did you mean table?"),
        (["data=table", "data.paht=x"], "error: data.paht: unknown option; did you mean path?"),
        (["data=table"], "error: data.path: no table given"),
        (["data=image_folder", "data.root=nowhere"], "error: nowhere: no such folder"),
        (["nowhere"], "error: nowhere: does not exist"),
    ],
)
def test_what_cannot_be_looked_at_is_one_line(arguments, message, capsys):
    code, _, err = check(capsys, *arguments)
    assert code == 2 and err[-1].startswith(message)


def test_a_folder_of_images_and_sounds_is_looked_at(tmp_path, capsys):
    images_on_disk.folder(tmp_path, 3)
    soundfile.write(tmp_path / "a.wav", [0.1] * 1000, 8000)
    code, out, _ = check(capsys, str(tmp_path))
    assert (code, out) == (0, [f"{tmp_path}: 7 looked at, 0 problems", "no bad samples"])
    (tmp_path / "b.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:500])
    (tmp_path / "ants" / "bad.jpg").write_bytes(images_on_disk.bomb())
    code, out, err = check(capsys, str(tmp_path))
    assert code == 2 and out[0].endswith("9 looked at, 2 problems") and len(err) == 1
    assert out[2] == f"bad: {tmp_path}/b.wav: cut off: its data chunk claims 2,000 bytes, but 456 are there"


def test_a_table_alone_is_looked_at_without_its_meaning(tmp_path, capsys):
    path = write(tmp_path / "a.csv", with_cell(3, 1, "abc"))
    assert check(capsys, str(path))[0] == 0
    path.write_text(path.read_text() + "1,2\n")
    code, out, _ = check(capsys, str(path))
    assert code == 2 and f"bad: {path} row 62: has 2 cells where the header has 4" in out
