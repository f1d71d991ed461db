"""What the Fréchet distance costs beside the features that it is computed of.

The two take turns in one process on the same images, of Fashion-MNIST's size and through the small classifier that
`metric.features=auto` trains: the bare forward pass of that network over all images, in batches as a test has them, and
the same with the distance to as many real images, whose features are computed before. The bar is a ratio of 1.3. Beside
it stands the ratio with all that a validation tells by features, the kernel distance and neighbourhoods.

    python benchmarks/fid.py [--images 10000] [--rounds 5]
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from zoo.judging import small_classifier
from zoo.metrics.feature_metrics import FeatureMetrics, RealFeatures
from zoo.metrics.frechet import Gaussian, frechet_distance
from zoo.models.image_features import ImageFeatures, Preprocessing

BATCH, BAR = 500, 1.3


def seconds(work: Callable[[], object]) -> float:
    """Returns how long some work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Prints the seconds of each side and both ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    seen = Preprocessing(1, 28, [0.286], [0.353])
    network = ImageFeatures(small_classifier.build(10, 1, [28, 28]), given=seen, own=seen)
    network.to(memory_format=torch.channels_last)
    draw = torch.Generator().manual_seed(0)
    generated, real = (torch.randn(options.images, 1, 28, 28, generator=draw).split(BATCH) for _ in range(2))

    def features(images: tuple[Tensor, ...]) -> Tensor:
        return torch.cat([network(batch)[0] for batch in images])

    found = RealFeatures(features(real))
    _ = found.gaussian.root, found.mean_kernel, found.radii

    def distance() -> Tensor:
        return frechet_distance(Gaussian(features(generated)), found.gaussian)

    def everything() -> dict[str, Tensor]:
        metrics = FeatureMetrics(lambda: found)
        for batch in generated:
            metrics.update(*network(batch))
        return metrics.compute()

    with torch.no_grad():
        works = {"features": lambda: features(generated), "with FID": distance, "with all metrics": everything}
        turns = [{name: seconds(work) for name, work in works.items()} for _ in range(options.rounds + 1)][1:]
    for name in works:
        print(f"{name}: {statistics.median(turn[name] for turn in turns):.2f} s for {options.images:,} images")
    for name, bar in (("with FID", f"; bar {BAR}"), ("with all metrics", "")):
        ratios = [turn[name] / turn["features"] for turn in turns]
        middle = statistics.median(ratios)
        print(f"{name}, ratio: {middle:.3f} (from {min(ratios):.3f} to {max(ratios):.3f}{bar})")


if __name__ == "__main__":
    main()
