"""Whether fine-tuning saves samples: digits 5 to 9 from few images, from scratch and from a network for 0 to 4.

A small ResNet learns the digits 0 to 4 of scikit-learn's set once. For each number of training images it then learns 5
to 9, from random weights and from those, over several draws of the images and as many steps. Accuracy is that of the
last step on the validation images, the same share of the set for all; the test images are never touched. Prints both
curves and how many images each needs for the bar, and draws them.

Two draws gave 34 images from scratch and 72 fine-tuned: the bar, a ratio of 5, is not reached. A linear probe with 30
images was at 58 to 72 %: what tells 0 to 4 apart in 8x8 pixels hardly tells 5 to 9 apart.

    python benchmarks/transfer.py [--draws 3] [--output transfer.png]
"""

import argparse
import contextlib
import io
import statistics
import tempfile
from pathlib import Path

import numpy as np

from zoo.build import build
from zoo.callbacks.figures import new_figure, save_png
from zoo.config.entry import compose
from zoo.config.run_directory import release_run_directory

SIZES = (10, 20, 30, 50, 75, 100, 150, 200, 300)
BAR = 0.95
STEPS = 200  # of every run, whatever its number of images
WAYS = {"from scratch": [], "fine-tuned": ["finetune.backbone_lr_factor=0.3"]}
MODEL = ["data=digits", "data.num_classes=5", "model=resnet_small", "model.depths=[1,1,1]", "model.widths=[16,32,64]"]
QUIET = ["trainer=cpu", "optimizer.lr=0.003", "data.eval_batch_size=256"]


def learned(directory: Path, options: list[str]) -> float:
    """Trains, and returns the validation accuracy after the last step; the weights are kept."""
    cfg = compose([*MODEL, *QUIET, *options, f"output_dir={directory}"])
    cfg.callbacks, cfg.logger = {}, {}
    with contextlib.redirect_stdout(io.StringIO()):
        run = build(cfg, started=0.0)
        run.trainer.fit(run.task, datamodule=run.data)
    run.trainer.save_checkpoint(directory / "last.ckpt")
    release_run_directory()
    return float(run.trainer.callback_metrics["val/accuracy"])


def few(samples: int, draw: int) -> list[str]:
    """The options of a run on so many images of the digits 5 to 9."""
    batch = min(samples, 32)
    epochs = STEPS // (samples // batch)
    data = [f"data.train_samples={samples}", f"data.batch_size={batch}", "data.val_fraction=0.4"]
    length = [f"trainer.max_epochs={epochs}", f"trainer.check_val_every_n_epoch={epochs}"]
    return [*data, *length, "data.classes=[5,6,7,8,9]", f"data.split_seed={draw}", f"seed={draw}"]


def needed(curve: list[float]) -> float:
    """The number of images at which a curve crosses the bar, on a straight line between those that were tried."""
    above = next((place for place, value in enumerate(curve) if value >= BAR), None)
    if not above:
        return float(SIZES[0] if above == 0 else "inf")
    return float(np.interp(BAR, curve[above - 1 : above + 1], SIZES[above - 1 : above + 1]))


def drawn(curves: dict[str, list[list[float]]]) -> np.ndarray:
    """Both curves, with the range over the draws."""
    with new_figure(6.4, 4.2) as (figure, pixels):
        axes = figure.subplots()
        for name, points in curves.items():
            axes.plot(SIZES, [statistics.mean(point) for point in points], marker="o", label=name)
            axes.fill_between(SIZES, [min(point) for point in points], [max(point) for point in points], alpha=0.2)
        axes.axhline(BAR, color="grey", linestyle=":")
        axes.set(xscale="log", xlabel="training images of the digits 5 to 9", ylabel="validation accuracy")
        axes.set_xticks(SIZES, [str(size) for size in SIZES])
        axes.minorticks_off()
        axes.legend(loc="lower right")
    return pixels[0]


def main() -> None:
    """Prints both curves, draws them, and prints the ratio of the images they need."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("transfer.png"))
    arguments = parser.parse_args()
    curves: dict[str, list[list[float]]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder, "first")
        before = learned(first, ["data.classes=[0,1,2,3,4]", "trainer.max_epochs=20"])
        print(f"digits 0 to 4: {before:.4f}", flush=True)
        for samples in SIZES:
            for name, options in WAYS.items():
                start = [*options, f"init_from={first}/last.ckpt"] if name == "fine-tuned" else options
                places = [(draw, Path(folder, f"{name}-{samples}-{draw}")) for draw in range(arguments.draws)]
                curves[name].append([learned(place, [*few(samples, draw), *start]) for draw, place in places])
            means = (f"{name} {statistics.mean(points[-1]):.4f}" for name, points in curves.items())
            print(f"{samples:>3} images: {', '.join(means)}", flush=True)
    save_png(drawn(curves), arguments.output)
    counts = {name: needed([statistics.mean(point) for point in points]) for name, points in curves.items()}
    listed = ", ".join(f"{name} {count:.0f}" for name, count in counts.items())
    ratio = counts["from scratch"] / counts["fine-tuned"]
    print(f"images for {BAR:.0%}: {listed}, ratio: {ratio:.1f} (bar 5); {arguments.output}")


if __name__ == "__main__":
    main()
