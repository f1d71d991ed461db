"""`python -m zoo generate`: a run on a text is trained, resumed, judged, and writes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.text_run import options, write_text
from zoo.__main__ import main
from zoo.checkpoint import load_checkpoint
from zoo.config.entry import compose
from zoo.run import evaluate, train


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module")
def run(text: Path) -> Path:
    directory = text.parent / "run"
    given = options(text, f"output_dir={directory}")
    train(compose([*given, "trainer.max_epochs=2"]))
    train(compose([*given, "trainer.max_epochs=4", "resume=auto", "allow_changes=true"]))
    return directory


def generate(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, list[str]]:
    """Returns exit code, what was written, and the lines of stderr."""
    with pytest.raises(SystemExit) as stop:
        main(["generate", *arguments])
    shown = capsys.readouterr()
    return int(stop.value.code or 0), shown.out, shown.err.splitlines()


def test_a_run_on_a_text_learns_and_goes_on(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["epochs"] == 4 and metrics["status"] == "completed"
    assert metrics["test/perplexity"] < 20 and metrics["test/bits_per_character"] > 0  # of 40 characters
    assert metrics["tokens_per_second"] == pytest.approx(16 * metrics["samples_per_second"])
    assert (run / "report" / "sample.txt").stat().st_size > 900


def test_a_text_is_checked(text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["check", "data=text_corpus", f"data.path={text}", f"data.cache_dir={text.parent / 'cache'}"])
    out = capsys.readouterr().out.splitlines()
    assert stop.value.code == 0 and out[0].startswith("train        9,") and out[-1] == "no bad samples"
    bad = text.with_name("bad.txt")
    bad.write_bytes(b"caf\xe9")
    with pytest.raises(SystemExit) as stop:
        main(["check", "data=text_corpus", f"data.path={bad}", f"data.cache_dir={text.parent / 'cache'}"])
    assert stop.value.code == 2 and capsys.readouterr().err.startswith(f"error: {bad} row 1: is no utf-8 text: byte")


def test_one_batch_of_a_text_is_learned_by_heart(text: Path, tmp_path: Path) -> None:
    given = [
        "data.batch_size=4",
        "model.dropout=0",
        "trainer=overfit_batch",
        "trainer.max_epochs=60",
        f"output_dir={tmp_path}",
    ]
    train(compose([*options(text), "logger.tensorboard=null", *given]))
    assert json.loads((tmp_path / "metrics.json").read_text())["train/perplexity"] < 1.5


def test_the_checkpoint_alone_is_judged(run: Path, text: Path, tmp_path: Path) -> None:
    again = evaluate(compose([f"ckpt={run}", f"output_dir={tmp_path}"], "evaluate"))
    tested = json.loads((run / "metrics.json").read_text())
    for name in ("test/loss", "test/perplexity", "test/bits_per_character"):
        assert again[name] == pytest.approx(tested[name], abs=1e-5)
    assert json.loads((tmp_path / "metrics.json").read_text())["split"] == "test"
    assert (tmp_path / "sample.txt").read_text() == (run / "report" / "sample.txt").read_text()


def test_another_text_is_judged_as_a_whole(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("the lazy dog {jumps} over the quick brown fox.\n" * 20)
    given = [f"ckpt={run}", f"data.path={other}", f"data.cache_dir={tmp_path}", f"output_dir={tmp_path / 'out'}"]
    found = evaluate(compose(given, "evaluate"))
    assert found["test/loss"] > json.loads((run / "metrics.json").read_text())["test/loss"]


def test_the_checkpoint_holds_plain_values(run: Path) -> None:
    saved = load_checkpoint(run / "checkpoints" / "best.ckpt", option="ckpt")["zoo"]["preprocessing"]
    assert saved["tokenizer_state"]["tokens"][0] == "\n" and saved["vocab_size"] == 2 + 40
    assert "tokenizer_state: null" in (run / "config.yaml").read_text()  # it would be pages of a long vocabulary


def test_a_prompt_is_continued(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = generate(capsys, f"ckpt={run}", "prompt=the quick, ", "max_new_tokens=30")
    assert (code, err) == (0, [])
    assert out.startswith("the quick, ") and out.endswith("\n") and len(out) == len("the quick, ") + 30 + 1


def test_draws_are_a_function_of_the_seed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def text(*given: str) -> str:
        return generate(capsys, f"ckpt={run}", "max_new_tokens=40", *given)[1]

    assert text("seed=0") == text("seed=0") != text("seed=1")
    greedy = text("temperature=0")
    assert greedy == text("temperature=0", "seed=1") == text("top_k=1") == text("top_p=0.000001")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prompt=fox? ${x}"], "error: prompt: '?', '$', '{', '}' not among the characters that the model has seen;"),
        (["temperature=-1"], "error: temperature: -1 given; must be a number, at least 0"),
        (["temperature=warm"], "error: temperature: warm is text; must be a number"),
        (["top_k=0"], "error: top_k: 0 given; must be an integer, at least 1"),
        (["top_p=1.5"], "error: top_p: 1.5 given; must be a number, above 0 to 1"),
        (["max_new_tokens=-1"], "error: max_new_tokens: -1 given; must be an integer, at least 0"),
        (["device=tpu"], "error: device: unknown choice tpu; set device=cpu"),
        (["promt=a"], "error: promt: unknown option; did you mean prompt?"),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: list[str], message: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = generate(capsys, f"ckpt={run}", *arguments)
    assert (code, out, len(err)) == (2, "", 1) and err[0].startswith(message)


def test_a_checkpoint_is_asked_for(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = generate(capsys, "prompt=a")
    assert code == 2 and err[-1].startswith("error: ckpt: needs a value")
    code, _, err = generate(capsys, f"ckpt={tmp_path}")
    assert code == 2 and err[-1].startswith(f"error: ckpt: no checkpoint in {tmp_path}")


def test_a_classifier_continues_no_text(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    small = ["data=synthetic_images", "data.source.num_samples=64", "data.image_size=8", "model=mlp", "trainer=cpu"]
    small += ["logger.tensorboard=null", "data.batch_size=16"]
    train(compose([*small, "trainer.max_epochs=1", f"output_dir={tmp_path}"]))
    code, _, err = generate(capsys, f"ckpt={tmp_path}")
    assert code == 2 and "best.ckpt holds a MLP, which continues no text; give one of a language model" in err[-1]


def test_help_waits_for_no_torch() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "zoo", "generate", "--help"]
    process = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert process.returncode == 0 and "prompt=" in process.stdout
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in process.stderr.splitlines()}
    assert not imported & {"torch", "lightning", "numpy"}
