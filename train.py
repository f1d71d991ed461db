"""Trains: `python train.py [group=choice ...] [key=value ...]`; `--help` lists the choices."""

import time

from omegaconf import DictConfig

from zoo.config.entry import run

STARTED = time.perf_counter()


def main(cfg: DictConfig) -> float | None:
    """Trains by a checked config and returns the best value of the monitored metric."""
    from zoo.run import train  # torch is imported here, after the config has been found right

    return train(cfg, started=STARTED)


if __name__ == "__main__":
    run(main, "train")
