"""Trains: `python train.py [group=choice ...] [key=value ...]`; `--help` lists the choices."""

import time

STARTED = time.perf_counter()

from omegaconf import DictConfig  # noqa: E402

from zoo.config.entry import run  # noqa: E402


def main(cfg: DictConfig) -> float | None:
    """Trains by a checked config and returns the best value of the monitored metric."""
    if cfg.check:
        print("the config is right; start the run without check=true")
        return None
    from zoo.run import train  # torch is imported here, after the config has been found right

    return train(cfg, started=STARTED)


if __name__ == "__main__":
    run(main, "train")
