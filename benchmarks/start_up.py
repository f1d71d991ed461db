"""How long a user waits: for help, the composed config or a refusal (against `import hydra`), and for the first step.

    python benchmarks/start_up.py [--rounds 7] [--first-step-rounds 3]

The bars: the first four within 2.0 times `python -c "import hydra"`, importing no torch; the first training step of the
default run within 1.25 times `python -c "import lightning"`. Commands are interleaved, so that a busy machine slows all
of them alike, and medians are compared. The exit code is 1 where a bar is missed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BAR, FIRST_STEP_BAR = 2.0, 1.25
COMMANDS = {
    "import hydra": ["-c", "import hydra"],
    "--help": ["train.py", "--help"],
    "--cfg job": ["train.py", "--cfg", "job"],
    "wrong name": ["train.py", "optimizer.wieght_decay=0.1"],
    "wrong type": ["train.py", "optimizer.lr=abc"],
    "wrong choice": ["train.py", "model=lenett"],
}
CODES = {"wrong name": 2, "wrong type": 2, "wrong choice": 2}


def seconds(arguments: list[str], *, code: int = 0) -> float:
    """Returns the wall time of one Python process, and insists on its exit code."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    elapsed = time.perf_counter() - start
    if done.returncode != code:
        sys.exit(f"{arguments}: exit code {done.returncode} instead of {code}\n{done.stderr}")
    return elapsed


def imports_torch(arguments: list[str]) -> bool:
    """Whether a command imports torch."""
    command = [sys.executable, "-X", "importtime", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    names = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    return "torch" in names


def judge(name: str, value: float, base: float, bar: float) -> bool:
    """Prints one ratio and returns whether it keeps within the bar."""
    print(f"{name:<22} {value:7.2f} s   {value / base:5.2f} x   (bar {bar:g})")
    return value / base <= bar


def start_up(rounds: int) -> bool:
    """Times the commands that do not train."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, arguments in COMMANDS.items():
            times[name].append(seconds(arguments, code=CODES.get(name, 0)))
    medians = {name: statistics.median(values) for name, values in times.items()}
    base = medians.pop("import hydra")
    print(f"{'import hydra':<22} {base:7.2f} s   {1:5.2f} x")
    results = [judge(name, value, base, BAR) for name, value in medians.items()]
    guilty = [name for name in medians if imports_torch(COMMANDS[name])]
    print(f"torch imported by: {', '.join(guilty) or 'none of them'}")
    return all(results) and not guilty


def first_step(rounds: int) -> bool:
    """Times the default run until its first training step, as its metrics.json says."""
    imports, steps = [], []
    for _ in range(rounds):
        imports.append(seconds(["-c", "import lightning"]))
        with tempfile.TemporaryDirectory() as folder:
            seconds(["train.py", f"output_dir={folder}/run", "trainer.max_epochs=1"])
            metrics = json.loads(Path(folder, "run", "metrics.json").read_text(encoding="utf-8"))
        steps.append(metrics["seconds_to_first_step"])
    base = statistics.median(imports)
    print(f"{'import lightning':<22} {base:7.2f} s   {1:5.2f} x")
    return judge("first training step", statistics.median(steps), base, FIRST_STEP_BAR)


def main() -> None:
    """Prints the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--first-step-rounds", type=int, default=3, help="0 leaves the training out")
    arguments = parser.parse_args()
    results = [start_up(arguments.rounds)]
    if arguments.first_step_rounds:
        results.append(first_step(arguments.first_step_rounds))
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
