"""The seeds that `seeds=` names: one run of each. Free of torch."""

from typing import Any

from zoo.errors import OptionError

_MOST = 1000


def seeds_of(config: Any) -> list[int]:
    """Returns the seeds of the runs to make; none where the config makes one run, of its own `seed`.

    Args:
        config: what `configs/train.yaml` composes; `seeds` is a number of seeds from `seed` on, or a list of them.

    Raises:
        OptionError: `seeds` is neither, or names a seed twice.
    """
    seeds = config.get("seeds")
    if seeds is None:
        return []
    if isinstance(seeds, int) and not isinstance(seeds, bool) and 1 <= seeds <= _MOST:
        return list(range(config["seed"], config["seed"] + seeds))
    found = [] if isinstance(seeds, str | int | float) else list(seeds)
    right = found and all(isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0 for seed in found)
    if not right or len(found) > _MOST:
        problem = f"{seeds} is neither a number from 1 to {_MOST} nor a list of seeds"
        raise OptionError("seeds", problem, "set seeds=5 or seeds=[0,1,2]")
    if len(set(found)) < len(found):
        raise OptionError("seeds", f"{found} names a seed twice, whose runs are equal", "name each once")
    return found
