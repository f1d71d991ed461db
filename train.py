"""Trains: `python train.py [group=choice ...] [key=value ...]`; `--help` lists the choices."""

import time

STARTED: float | None = time.perf_counter()

from omegaconf import DictConfig  # noqa: E402

from zoo.config.entry import run  # noqa: E402
from zoo.config.many_seeds import seeds_of  # noqa: E402


def main(cfg: DictConfig) -> float | None:
    """Trains by a checked config and returns the best value of the monitored metric."""
    seeds = seeds_of(cfg)
    if cfg.check:
        print("the config is right; start the run without check=true")
        return None
    global STARTED
    started, STARTED = STARTED, None  # a sweep's next job starts its own clock
    if seeds:
        from zoo.repeat import train_seeds

        return train_seeds(cfg, seeds, started=started)
    from zoo.run import train  # torch is imported here, after the config has been found right

    return train(cfg, started=started)


if __name__ == "__main__":
    run(main, "train")
