"""Points of Gaussians in the plane."""

import pytest
import torch

from zoo.config.entry import compose
from zoo.data.gaussians import GaussianPoints, mode_centers
from zoo.errors import OptionError
from zoo.metrics.samples import HighQualityShare, NumModes
from zoo.run import train


@pytest.mark.parametrize(("layout", "num_modes"), [("ring", 8), ("grid", 25)])
def test_real_points_fill_all_modes(layout: str, num_modes: int) -> None:
    data = GaussianPoints(layout=layout, num_modes=num_modes, num_samples=2000, num_eval_samples=1000)
    facts = data.facts()
    points = torch.cat([batch["input"] for batch in data.train_dataloader()])
    modes, share = NumModes(facts["centers"], data.std), HighQualityShare(facts["centers"], data.std)
    for metric in (modes, share):
        metric.update(points, points)
    assert modes.compute() == num_modes
    assert share.compute() > 0.995
    torch.testing.assert_close(torch.tensor(facts["centers"]).mean(0), torch.zeros(2), atol=1e-5, rtol=0)


def test_points_are_those_of_the_splits_and_orders_those_of_the_seed() -> None:
    one, other = (GaussianPoints(num_samples=512, num_eval_samples=10, seed=seed) for seed in (0, 1))
    one.facts(), other.facts()
    assert one.fingerprint == other.fingerprint
    assert not torch.equal(one.points["val"], one.points["test"])
    first, second = (next(iter(data.train_dataloader()))["index"] for data in (one, other))
    assert not torch.equal(first, second)


def test_a_grid_has_a_square_number_of_modes() -> None:
    assert len(mode_centers("grid", 9, 1.0)) == 9
    with pytest.raises(OptionError, match="data: num_modes 24: a grid has a square number of 4 or more; set 25"):
        train(compose(["data=grid", "data.num_modes=24"]))
