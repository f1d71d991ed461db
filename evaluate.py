"""Judges a checkpoint: `python evaluate.py ckpt=PATH_OR_RUN_DIR [data=...] [key=value ...]`."""

from omegaconf import DictConfig

from zoo.config.entry import run


def main(cfg: DictConfig) -> dict[str, float]:
    """Evaluates by a checked config and returns the metrics."""
    from zoo.run import evaluate  # torch is imported here, after the config has been found right

    return evaluate(cfg)


if __name__ == "__main__":
    run(main, "evaluate")
