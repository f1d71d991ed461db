import pytest
import torch

from zoo.data.clips import ClipLoader, Clips, Windows, beginnings
from zoo.data.order import SequentialOrder, ShuffledOrder

SOUNDS = [torch.arange(1, length + 1, dtype=torch.int16) + 100 * number for number, length in enumerate((3, 8, 5, 20))]


def middles(count: int) -> torch.Tensor:
    return Windows(count, seed=None).places(0)


def test_shorter_sounds_lie_in_the_middle_of_silence_and_longer_ones_are_cut_to_their_middle():
    cut = Clips(SOUNDS, 8).cut(torch.tensor([3, 0, 1, 2]), middles(4))
    assert cut.dtype == torch.int16
    assert cut[0].tolist() == list(range(307, 315))
    assert cut[1].tolist() == [0, 0, 0, 1, 2, 3, 0, 0]
    assert cut[2].tolist() == list(range(101, 109))
    assert cut[3].tolist() == [0, 0, 201, 202, 203, 204, 205, 0]


def test_a_window_may_begin_anywhere_in_a_longer_sound():
    places = torch.linspace(0, 1, 1001)[:-1]
    begin = beginnings(torch.full((1000,), 20), 8, places)
    assert begin.bincount(minlength=13).tolist()[0] >= 76 and begin.unique().tolist() == list(range(13))


def test_windows_are_a_function_of_seed_and_epoch():
    first, again, other = Windows(50, seed=1), Windows(50, seed=1), Windows(50, seed=2)
    epochs = [first.places(epoch).clone() for epoch in (0, 1, 0)]
    assert torch.equal(epochs[0], epochs[2]) and not torch.equal(epochs[0], epochs[1])
    assert torch.equal(again.places(1), epochs[1]) and not torch.equal(other.places(1), epochs[1])


@pytest.mark.parametrize("seed", [None, 3])
def test_the_batch_size_changes_no_window(seed):
    def windows(batch_size: int) -> torch.Tensor:
        order = ShuffledOrder(4, seed=0)
        order.set_epoch(5)
        loader = ClipLoader(
            Clips(SOUNDS, 4), torch.arange(4), windows=Windows(4, seed), order=order, batch_size=batch_size
        )
        batches = list(loader)
        assert [len(batch["index"]) for batch in batches] == [batch_size] * (4 // batch_size)
        assert all(torch.equal(batch["index"], batch["target"]) for batch in batches)
        index = torch.cat([batch["index"] for batch in batches])
        return torch.cat([batch["input"] for batch in batches])[index.argsort()]

    assert torch.equal(windows(1), windows(4))


def test_a_loader_goes_on_where_it_is_told_to():
    options = {"windows": Windows(4, None), "order": SequentialOrder(4), "batch_size": 1, "start": lambda: 3}
    assert [batch["target"].tolist() for batch in ClipLoader(Clips(SOUNDS, 4), torch.arange(4), **options)] == [[3]]
