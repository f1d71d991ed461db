"""Composition: a command line becomes one checked config.

Hydra is imported inside the functions: help must not wait for it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from zoo.config.allowed import grant, packages_of
from zoo.config.check import OptionErrors, Primary, check
from zoo.config.command_line import forced, groups
from zoo.config.explain import explain
from zoo.config.hydra_node import check_hydra, check_overrides, check_sweep
from zoo.config.task_choices import with_task_choices
from zoo.errors import OptionError

CONFIG_DIR = Path(__file__).resolve().parents[2] / "configs"
_MOST_CASES = 50


def compose(
    overrides: Sequence[str] = (),
    config_name: str = "train",
    *,
    config_dir: Path | str = CONFIG_DIR,
    more_dirs: Sequence[Path | str] = (),
) -> DictConfig:
    """Returns the config that a command line gives, checked; for notebooks and tests.

    Args:
        overrides: what would stand on the command line, such as ["model=lenet", "optimizer.lr=0.1"].
        config_name: name of the primary config.
        config_dir: where the configs lie.
        more_dirs: where more of them lie, as of `--config-dir`.

    Raises:
        OptionErrors: options are wrong; all of them are named.
    """
    directories = [Path(path).resolve() for path in (config_dir, *more_dirs)]
    choices = groups(directories)
    try:
        packages = packages_of(overrides)
        with composer(directories, config_name, packages) as compose_once:
            overrides = with_task_choices(overrides, directories)
            config = compose_once([forced(override, choices) for override in overrides])
        errors = grant(config, packages) + check(config, primary=read_primary(directories, config_name))
    except OptionErrors:
        raise
    except OptionError as error:
        raise OptionErrors([error]) from error
    except Exception as error:
        found = explain(error, choices, overrides)
        if found is None:
            raise
        raise OptionErrors([found]) from error
    if errors:
        raise OptionErrors(errors)
    return drop_hydra(config)


@contextmanager
def composer(directories: Sequence[Path], config_name: str, packages: Sequence[str] = ()) -> Iterator[Any]:
    """Gives a function from overrides to the composed config with its `hydra` node, which is checked.

    Hydra's global state is put back at the end, so that this works within a job and again and again. `${hydra:...}`
    keeps its value afterwards.

    Args:
        directories: where configs lie: the primary directory, then those of `--config-dir`.
        config_name: name of the primary config.
        packages: what the command line allows.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig

    state = GlobalHydra.instance()
    outer = state.hydra
    state.clear()
    added = [f"hydra.searchpath=[{','.join(f'file://{path}' for path in directories[1:])}]"] if directories[1:] else []

    def compose_once(overrides: Sequence[str]) -> DictConfig:
        errors = check_overrides(overrides, [path / f"{config_name}.yaml" for path in directories], packages)
        if not errors:
            config = hydra.compose(config_name, [*overrides, *added], return_hydra_config=True)
            HydraConfig.instance().set_config(config)
            errors = check_hydra(config, packages)
        if errors:
            raise OptionErrors(errors)
        return config

    try:
        hydra.initialize_config_dir(str(directories[0]), job_name=config_name, version_base="1.3")
        yield compose_once
    finally:
        state.clear()
        state.hydra = outer


def drop_hydra(config: DictConfig) -> DictConfig:
    """Takes Hydra's own node out of a composed config and returns the config.

    Args:
        config: as composed; it is changed, since a copy would take as long as the check.
    """
    with open_dict(config):
        config.pop("hydra", None)
    return config


def read_primary(directories: Sequence[Path], config_name: str) -> Primary:
    """Returns what the primary config declares: its own options and the groups.

    Args:
        directories: where configs lie.
        config_name: name of the primary config.
    """
    paths = [path for directory in directories if (path := directory / f"{config_name}.yaml").is_file()]
    declared = OmegaConf.to_container(OmegaConf.load(paths[-1]), resolve=False) if paths else {}
    assert isinstance(declared, dict)
    options = {str(key): value for key, value in declared.items() if key not in ("defaults", "hydra")}
    return Primary(options, frozenset(groups(directories)))


def sweep_cases(overrides: Sequence[str]) -> tuple[list[list[str]], str | None]:
    """Returns override lists in which each value of a sweep occurs once, and the first override that sweeps.

    All combinations could be very many; a wrong value shows in any of them. Must be called within `composer`.

    Args:
        overrides: as Hydra takes them.
    """
    if not any("," in override or "(" in override for override in overrides):
        return [list(overrides)], None  # parsing takes 10 ms
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    parsed = parser.parse_overrides(list(overrides))
    values = [_values(override) for override in parsed]
    length = min(max(len(each) for each in values), _MOST_CASES)
    cases = [[each[index % len(each)] for each in values] for index in range(length)]
    sweeping = [override.input_line for override in parsed if override.is_sweep_override()]
    errors = [error for each in parsed if each.is_sweep_override() for error in check_sweep(each.get_key_element())]
    if errors:
        raise OptionErrors(errors)
    return cases, sweeping[0] if sweeping else None


def _values(override: Any) -> list[str]:
    from hydra.core.override_parser.types import IntervalSweep

    key, line = override.get_key_element(), override.input_line or ""
    if override.is_discrete_sweep():
        return [f"{key}={value}" for value in override.sweep_string_iterator()] or [line]
    value = override.value()
    return [f"{key}={value.start}", f"{key}={value.end}"] if isinstance(value, IntervalSweep) else [line]


def unique(errors: Sequence[OptionError]) -> list[OptionError]:
    """Returns errors without repetition."""
    return list({str(error): error for error in errors}.values())
