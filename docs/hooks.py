"""Makes the pages of the documentation: of README and CONTRIBUTING, the commands' own help, the configs, the sources.

Nothing is written twice, and torch is not imported. Called by `mkdocs build` (`make docs`).
"""

import contextlib
import io
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from zoo.__main__ import commands, main  # noqa: E402
from zoo.config.choices import GROUPS, Choice, Tree  # noqa: E402
from zoo.config.command_line import groups  # noqa: E402
from zoo.config.help import help_text  # noqa: E402

CONFIGS = ROOT / "configs"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
REFERENCE = ("models", "tasks", "data", "callbacks", "losses", "metrics", "optim", "layers", "diagnosis")
# Pages of sections of a file; the first one has what stands before them.
SECTIONS = {
    "getting_started.md": ("README.md", ["zoo", "Say what you want"]),
    "contract.md": ("README.md", ["A run that cannot be lost, fooled or broken into"]),
    "own_data.md": ("README.md", ["Fine-tune, detect, segment"]),
    "adversarial.md": ("README.md", ["Two networks against each other"]),
}


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages."""
    for path, text in _pages():
        files.append(File.generated(config, path, content=text))
    for notebook in NOTEBOOKS:
        files.append(File.generated(config, f"notebooks/{notebook.name}", abs_src_path=str(notebook)))
    return files


def _pages() -> Iterator[tuple[str, str]]:
    yield "index.md", _linked((ROOT / "README.md").read_text())
    for page, (source, titles) in SECTIONS.items():
        sections = _sections((ROOT / source).read_text())
        yield page, _linked("\n\n".join(sections[title] for title in titles))
    yield "own_model.md", _linked((ROOT / "CONTRIBUTING.md").read_text())
    yield "commands.md", _commands()
    tree = Tree(CONFIGS)
    yield "configs/index.md", _groups(tree)
    for group in GROUPS:
        if group != "experiment":
            yield f"configs/{group}.md", _group(tree, group)
    yield "measured.md", _measured(tree)
    for package in REFERENCE:
        yield f"reference/{package}.md", _reference(package)
    yield "course.md", _course()


def _linked(text: str) -> str:
    """Turns links of the repository into links of the pages."""
    return text.replace("](docs/", "](").replace("](CONTRIBUTING.md)", "](own_model.md)")


def _sections(text: str) -> Mapping[str, str]:
    """Returns the sections of a file by their titles, what stands before them among them."""
    parts = re.split(r"^(?=##? )", text, flags=re.MULTILINE)
    return {part.partition("\n")[0].lstrip("# "): part.rstrip() for part in parts if part.strip()}


def _code(text: str, language: str = "text") -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def _commands() -> str:
    """Returns what each command says of itself."""
    lines = ["# Commands", "What each of them prints with `--help`."]
    choices = groups([CONFIGS])
    for program in ("train", "evaluate"):
        lines += [f"## python {program}.py", _code(help_text(f"{program}.py", program, CONFIGS, choices))]
    for command in commands():
        lines += [f"## python -m zoo {command}", _code(_printed(command, "--help"))]
    return "\n\n".join(lines)


def _printed(*arguments: str) -> str:
    """Returns what a command prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        main(arguments)
    return printed.getvalue()


def _groups(tree: Tree) -> str:
    rows = [
        f"| [{group}]({_page_of(group)}) | {meaning} | {len(tree.of(group))} |" for group, meaning in GROUPS.items()
    ]
    text = "A run is a choice of each group and what is set beside it: `python train.py GROUP=NAME KEY=VALUE ...`"
    options = _code((CONFIGS / "train.yaml").read_text(), "yaml")
    table = "\n".join(["| group | | choices |", "|---|---|---|", *rows])
    return f"# Configs and options\n\n{text}\n\n{table}\n\n## Options of every run\n\n{options}\n"


def _page_of(group: str) -> str:
    return "../measured.md" if group == "experiment" else f"{group}.md"


def _group(tree: Tree, group: str) -> str:
    """Returns what `python -m zoo show` says of every choice of a group."""
    lines = [f"# {group}", f"{GROUPS[group].capitalize()}."]
    for choice in tree.of(group):
        lines += [f"## {choice.name}", _code(_printed("show", f"{group}={choice.name}"))]
    return "\n\n".join(lines)


def _measured(tree: Tree) -> str:
    """Returns the heads of the experiments: what was measured, on what, in what time."""
    lines = ["# Figures, measured", "The experiments: what each has reached, as its file says."]
    for choice in tree.of("experiment"):
        lines += [f"## {choice.name}", _code("\n".join(choice.head)), _chosen(choice)]
    return "\n\n".join(line for line in lines if line)


def _chosen(choice: Choice) -> str:
    """Returns what an experiment chooses and sets."""
    body = "\n".join(line for line in choice.text.splitlines() if not line.startswith("#"))
    return _code(body.strip("\n"), "yaml")


def _reference(package: str) -> str:
    """Returns a page of directives, one for each module with anything public."""
    lines = [f"# zoo.{package}"]
    for path in sorted((ROOT / "zoo" / package).rglob("*.py")):
        if path.stem != "__init__":
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            lines.append(f"::: {module}")
    return "\n\n".join(lines)


def _course() -> str:
    """Returns the notebooks in the order of the course, each with its first paragraph."""
    lines = ["# The course", "Notebooks, one idea each; they are executed by the tests.", _code(_START, "sh")]
    for path in NOTEBOOKS:
        first = "".join(json.loads(path.read_text())["cells"][0]["source"])
        title, _, text = first.partition("\n")
        text = re.sub(r"\]\((\w+\.ipynb)\)", r"](notebooks/\1)", text.strip().partition("\n\n")[0])
        lines += [f"## {title.lstrip('# ')}", text, f"[{path.name}](notebooks/{path.name})"]
    return "\n\n".join(lines)


_START = "make install EXTRAS=dev,notebooks\n.venv/bin/jupyter lab notebooks"
