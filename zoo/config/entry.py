"""Runs an entry point: from the command line to a checked config, and from any error to one line and an exit code.

Hydra does what it does well (composition, sweeps, launchers, `--info`, completion). Done here is what it does not: help
without composing, a check of every option before torch is imported, and errors a user can act on. Hydra's
`Hydra.get_mode` and `Hydra.run` compose once each before a job starts; the check composes once more, first, so that a
wrong option costs one composition (0.07 s) and an error reaches us as it was raised.
"""

import functools
import gc
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from omegaconf import DictConfig, OmegaConf

from zoo import signals
from zoo.config.allowed import grant, packages_of
from zoo.config.check import OptionErrors, Primary, check
from zoo.config.command_line import CommandLine, forced, groups, parse
from zoo.config.compose import CONFIG_DIR, compose, composer, drop_hydra, read_primary, sweep_cases, unique
from zoo.config.explain import explain, several_values
from zoo.config.help import help_text
from zoo.config.requeue import with_requeued
from zoo.config.resume import with_saved_overrides
from zoo.config.secrets import masked, redacted, variables_of
from zoo.config.task_choices import with_task_choices
from zoo.errors import OptionError, RunError

__all__ = ["compose", "run"]

Main = Callable[[DictConfig], Any]


def run(
    main: Main, config_name: str, *, config_dir: Path | str = CONFIG_DIR, argv: Sequence[str] | None = None
) -> NoReturn:
    """Runs `main` with the config that the command line gives, and exits with the code that the outcome means.

    Args:
        main: takes the checked config; what it returns is what a sweep is judged by.
        config_name: name of the primary config.
        config_dir: where the configs lie.
        argv: the command line, program name first; None takes `sys.argv`.
    """
    program, *arguments = argv if argv is not None else sys.argv
    entry = _Entry(main, config_name, Path(config_dir).resolve(), program)
    code = entry.run(arguments)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # what is printed goes to a full disk: the code must not change over it when the interpreter ends
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


class _Entry:
    """One call of an entry point."""

    def __init__(self, main: Main, config_name: str, config_dir: Path, program: str) -> None:
        self.main, self.config_name, self.config_dir, self.program = main, config_name, config_dir, program
        self.directories = [config_dir]
        self.groups: dict[str, list[str]] = {}
        self.overrides: list[str] = []
        self.packages: tuple[str, ...] = ()
        self.variables: set[str] = set()
        self.debug = False
        self.failures: list[Exception] = []
        self.primary: Primary | None = None

    def run(self, arguments: Sequence[str]) -> int:
        """Returns the exit code."""
        self.debug = any(
            argument.lstrip("+").lower() in ("debug=true", "debug=yes", "debug=on") for argument in arguments
        )
        try:
            with signals.watched():
                self._dispatch(arguments)
        except KeyboardInterrupt:  # where signals are not ours, as in a thread
            print("stopped by SIGINT", file=sys.stderr)
            return 130
        except SystemExit as stop:
            if isinstance(stop, signals.StoppedBySignal):
                with suppress(OSError):
                    sys.stdout.flush()
                    if os.environ.get("LOCAL_RANK", "0") == "0":  # of several processes the first one speaks
                        print(stop, file=sys.stderr, flush=True)
            return _exit_code(stop)
        except Exception as error:
            if isinstance(error, BrokenPipeError) and not self.failures:
                # The reader of our output is gone, as in `--help | head`; the interpreter must not flush into it.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return 0
            if error not in self.failures:
                self.failures.append(error)
        return self._report()

    def _dispatch(self, arguments: Sequence[str]) -> None:
        line = parse(arguments)
        if "--config-path" in line.flags:
            self.config_dir = Path(line.flags["--config-path"]).resolve()
            line.flags["--config-path"] = str(self.config_dir)  # Hydra would start from the script's folder
            self.directories = [self.config_dir]
        if "--config-dir" in line.flags:
            self.directories.append(Path(line.flags["--config-dir"]).resolve())
        for directory in self.directories:
            if not directory.is_dir():
                raise OptionError(f"--config-dir {directory}", "there is no such folder", "correct the path")
        self.config_name = line.flags.get("--config-name", self.config_name)
        self.groups = groups(self.directories)
        self.packages = packages_of(line.overrides)  # as typed: nothing that was saved may add to them
        if self.config_name == "train" and "--multirun" not in line.flags:
            line = replace(line, overrides=with_saved_overrides(with_requeued(line.overrides)))
        self.overrides = line.overrides
        if self.config_name == "train":
            line = replace(line, overrides=with_task_choices(line.overrides, self.directories))
        if "--help" in line.flags:
            print(help_text(Path(self.program).name, self.config_name, self.config_dir, self.groups))
        elif line.flags.keys() & {"--version", "--hydra-help"}:
            self._hydra(line.arguments(()))  # it would set up logging as the overrides say
        elif "--shell-completion" in line.flags:
            self._hydra(line.arguments(line.overrides))
        else:
            self._check_and_run(line)

    def _check_and_run(self, line: CommandLine) -> None:
        overrides = [forced(override, self.groups) for override in line.overrides]
        with _without_garbage_collection(), composer(self.directories, self.config_name, self.packages) as compose_once:
            cases, sweeping = sweep_cases(overrides)
            config = compose_once(cases[0])
            self.debug = self.debug or config.get("debug") is True
            is_sweep = "--multirun" in line.flags or (
                config.hydra.mode is not None and config.hydra.mode.name == "MULTIRUN"
            )
            if sweeping is not None and not is_sweep:
                raise several_values(sweeping)
            if "--cfg" in line.flags:
                self._print(config, line)
            errors = self._check(config)
            for case in cases[1:]:
                errors += self._check(compose_once(case))
        if errors:
            raise OptionErrors(unique(errors))
        if "--cfg" not in line.flags:
            self._hydra(line.arguments(overrides), is_sweep=is_sweep)

    def _check(self, config: DictConfig) -> list[OptionError]:
        if self.primary is None:
            self.primary = read_primary(self.directories, self.config_name)
        self.variables |= variables_of(config)
        return grant(config, self.packages) + check(config, primary=self.primary)

    def _print(self, config: DictConfig, line: CommandLine) -> None:
        """Prints the composed config before it is checked, so that one can see what is wrong."""
        package = line.flags.get("--package", "_global_")
        match line.flags["--cfg"]:
            case "job":
                shown = drop_hydra(config)
            case "hydra":
                shown = OmegaConf.masked_copy(config, "hydra")
            case _:
                shown = config
        node = shown if package == "_global_" else OmegaConf.select(shown, package)
        if node is None:
            raise OptionError(f"--package {package}", "there is no such node", "correct the name")
        if "--resolve" in line.flags and OmegaConf.is_config(node):
            node = OmegaConf.create(masked(node))
        header = "" if package == "_global_" else f"# @package {package}\n"
        print(header + (OmegaConf.to_yaml(node).rstrip() if OmegaConf.is_config(node) else str(node)), flush=True)

    def _hydra(self, arguments: Sequence[str], *, is_sweep: bool = False) -> None:
        import hydra

        @functools.wraps(self.main)  # so that Hydra names the job after the script
        def job(config: DictConfig) -> Any:
            try:
                return self._job(config)
            except Exception as error:
                self.failures.append(error)
                if is_sweep:
                    self._say(error)
                    raise
                return None  # Hydra would print a line of its own; the failure is reported at the end

        decorated = hydra.main(config_path=str(self.config_dir), config_name=self.config_name, version_base="1.3")(job)
        with _environment(self.program, arguments):
            decorated()

    def _job(self, config: DictConfig) -> Any:
        errors = self._check(config)
        if errors:
            raise OptionErrors(errors)
        return self.main(config)

    def _report(self) -> int:
        """Says what failed, each on a line, and returns the exit code of the first failure."""
        with suppress(OSError):
            sys.stdout.flush()
        codes = [self._say(failure) for failure in self.failures]
        return codes[0] if codes else 0

    def _say(self, error: Exception) -> int:
        known = error if isinstance(error, RunError) else explain(error, self.groups, self.overrides)
        text = "".join(traceback.format_exception(error)) if self.debug or known is None else ""
        for problem in getattr(known, "errors", [known]) if known is not None else ():
            text += f"error: {' '.join(str(problem).splitlines())}\n"
        with suppress(OSError):  # it may be the disk that is full
            print(redacted(text, self.variables), end="", file=sys.stderr, flush=True)
        return 1 if known is None else known.exit_code


def _exit_code(stop: SystemExit) -> int:
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or 0
    print(stop.code, file=sys.stderr)
    return 1


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Pauses the search for cycles, which takes a tenth of the time while configs and syntax trees are made."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def _environment(program: str, arguments: Sequence[str]) -> Iterator[None]:
    """Lets Hydra read our arguments and raise what goes wrong, instead of printing its own summary and exiting."""
    argv, variable = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = [program, *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        sys.argv = argv
        if variable is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = variable
