"""What Hydra, OmegaConf and YAML complain of, in one line that says which option or file is at fault."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from zoo.config.suggest import suggestion
from zoo.errors import OptionError


def explain(error: BaseException, groups: Mapping[str, Sequence[str]], overrides: Sequence[str]) -> OptionError | None:
    """Returns the wrong option behind an error of the libraries, or None where the user is not at fault.

    Args:
        error: what was raised while a config was composed or read.
        groups: the config groups and their choices.
        overrides: what the user typed.
    """
    import yaml
    from hydra import errors as hydra
    from omegaconf.errors import OmegaConfBaseException

    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    for link in chain:
        if isinstance(link, yaml.YAMLError):
            return _of_yaml(link)
    match error:
        case hydra.OverrideParseException():
            return _of_syntax(error.override.removeprefix("++"), error.message)
        case hydra.MissingConfigException():
            return _of_choice(error.missing_cfg_file or "", str(error), groups, overrides)
        case hydra.InstantiationException():
            return None
        case hydra.SearchPathException():
            return OptionError("--config-dir", _first_line(error), "give a folder that exists")
        case hydra.CompactHydraException():
            return _of_composition(error, groups, overrides)
        case OmegaConfBaseException():
            return OptionError(error.full_key or "config", _first_line(error), "correct the value")
        case UnicodeDecodeError():
            return OptionError("configs", f"a file is no UTF-8 text ({error})", "save it as UTF-8")
    return None


def _of_yaml(error: Exception) -> OptionError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    where = f"{_relative(mark.name)}:{mark.line + 1}" if mark else "configs"
    problem = getattr(error, "problem", None) or _first_line(error)
    return OptionError(where, f"not valid YAML ({problem})", "correct the line")


def _relative(name: str) -> str:
    path = Path(name)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else name


def _of_syntax(override: str, message: str) -> OptionError:
    key, equals, value = override.partition("=")
    if not equals:
        return OptionError(override, "not of the form key=value", f"write {override}=VALUE, or GROUP={override}")
    detail = re.sub(r"^Error parsing override '.*'$", "", message, flags=re.MULTILINE).strip().splitlines()[0]
    detail = detail.replace(f"++{override}", override)
    return OptionError(override, f"cannot be read ({detail})", f"quote the value: '{key}=\"{value}\"'")


def _of_choice(
    missing: str, message: str, groups: Mapping[str, Sequence[str]], overrides: Sequence[str]
) -> OptionError:
    group, _, name = missing.removesuffix(".yaml").rpartition("/")
    parent = re.match(r"In '([^']+)'", message)
    if not group:
        return OptionError(missing or "--config-name", "there is no such config", "correct the name")
    if parent and "/_" in group:  # variants of a choice by the task
        chosen = parent[1].replace("/", "=", 1)
        listed = ", ".join(re.findall(r"^\t(\S+)$", message, re.MULTILINE))
        return OptionError(chosen, f"has no variant for task={name}", f"choose another model, or a task of {listed}")
    head, _, rest = group.partition("/")
    choices = [choice.removeprefix(f"{rest}/") for choice in groups.get(head, ()) if choice.startswith(rest)]
    is_typed = any(re.match(rf"\+?{re.escape(group)}(@\S*?)?=", override) for override in overrides)
    file = f" (in configs/{parent[1]}.yaml, or a file that overrides it)" if parent and not is_typed else ""
    return OptionError(f"{group}={name}", f"unknown choice{file}", suggestion(name, choices, "choices"))


def _of_composition(error: Exception, groups: Mapping[str, Sequence[str]], overrides: Sequence[str]) -> OptionError:
    message = str(error)
    cause = error.__cause__
    if match := re.search(r"You must specify '([^']+)'", message):
        return OptionError(match[1], "needs a choice", f"choose one of {', '.join(groups.get(match[1], ()))}")
    if match := re.search(r"Multiple values for ([^\s.]+)\.", message):
        return OptionError(match[1], "chosen twice", f"write {match[1]}=CHOICE once, without +")
    if match := re.search(r"Could not override '([^']*[/@][^']*)'", message):
        return OptionError(match[1], "there is no such group", suggestion(match[1], groups, "groups"))
    if match := re.search(r"Could not override '([^']+)'\. No match in the defaults list", message):
        return OptionError(match[1], "has no default choice to replace", f"add it: +{match[1]}=CHOICE")
    if match := re.search(r"Could not override '([^']+)'\.\s+Did you mean to override (?:one of )?(.+)\?", message):
        return OptionError(match[1], "unknown option", suggestion(match[1], match[2].split(", ")))
    if match := re.search(r"Could not override '([^']+)'", message):
        return OptionError(match[1], "unknown option", f"correct the name, or add it: ++{match[1]}=VALUE")
    if match := re.search(r"Could not delete(?: from config\.)? '([^']+)'", message):
        return OptionError(f"~{match[1]}", "there is no such option", "correct the name, or leave it out")
    if match := re.search(r"(?:Ambiguous value for argument|Sweep parameters) '([^']+)'", message):
        return several_values(match[1])
    if match := re.search(r"force-add of config groups is not supported: '\+\+([^']+)'", message):
        return OptionError(f"++{match[1]}", "a group cannot be forced", f"write {match[1]}")
    if match := re.search(r"Error merging override \+*(.+)", message):
        key = match[1].partition("=")[0]
        return OptionError(key, _first_line(cause or error), "correct the value")
    full_key = getattr(cause, "full_key", None)
    return OptionError(full_key or "config", _first_line(cause or error), "correct the option or the file")


def several_values(override: str) -> OptionError:
    """Returns the error of a sweep that was not asked for.

    Args:
        override: as typed, such as "optimizer.lr=0.1,0.2".
    """
    override = override.removeprefix("++")
    key, _, value = override.partition("=")
    return OptionError(override, "several values for one run", f"add -m to run each, or write a list: {key}=[{value}]")


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
