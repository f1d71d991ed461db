"""No config and no checkpoint has anything built or run that is not on the list, unless the command line allows it.

Each place is tried with a forbidden target and with an allowed one that leaves a file behind: only the second may.
"""

import pickle
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from zoo.config.allowed import grant, granted, locate
from zoo.config.check import check
from zoo.config.compose import compose
from zoo.config.construct import construct
from zoo.errors import OptionError

# Where a node may stand; `Box` of the package takes anything.
PLACES = {
    "the node itself": "node: TARGET",
    "an argument": "node: {_target_: sandbox.Box, part: TARGET}",
    "a list": "node: {_target_: sandbox.Box, parts: [1, TARGET]}",
    "a list in a list": "node: {_target_: sandbox.Box, parts: [[TARGET]]}",
    "a mapping in a mapping": "node: {_target_: sandbox.Box, parts: {a: {b: TARGET}}}",
    "arguments without names": "node: {_target_: sandbox.Box, _args_: [TARGET]}",
    "a callback": "callbacks: {default: {_target_: sandbox.Box}, extra: TARGET}\nnode: ${callbacks.extra}",
    "a metric": "task: {_target_: sandbox.Box, metrics: {extra: TARGET}}\nnode: ${task}",
    "a node repeated elsewhere": "hidden: TARGET\nnode: {_target_: sandbox.Box, part: '${hidden}'}",
    "a mapping made by a resolver": "node: {_target_: sandbox.Box, part: '${oc.create:TARGET}'}",
    "a list made by a resolver": "x: {a: TARGET}\nnode: {_target_: sandbox.Box, parts: '${oc.dict.values:x}'}",
    "the environment": "node: {_target_: sandbox.Box, part: '${oc.create:${oc.decode:${oc.env:HIDDEN}}}'}",
    "a target named elsewhere": "name: NAME\nnode: {_target_: '${name}', KEY: 'VALUE'}",
    "a function of the rest": "node: {_target_: sandbox.Box, part: PARTIAL}",
}
# Each of these would leave the file MARK behind, or let a file of the attacker's do so.
FORBIDDEN = {
    "os.system": {"command": "touch MARK"},
    "posix.system": {"command": "touch MARK"},
    "subprocess.run": {"args": ["touch", "MARK"]},
    "subprocess.Popen": {"args": ["touch", "MARK"]},
    "builtins.open": {"file": "MARK", "mode": "w"},
    "builtins.exec": {"_args_": ["open('MARK', 'w')"]},
    "builtins.eval": {"_args_": ["open('MARK', 'w')"]},
    "io.open": {"file": "MARK", "mode": "w"},
    "pathlib.Path.touch": {"_args_": ["MARK"]},
    "shutil.copy": {"src": "FILE", "dst": "MARK"},
    "shutil.rmtree": {"path": "FOLDER"},
    "numpy.savetxt": {"fname": "MARK", "X": [1.0]},
    "numpy.load": {"file": "PICKLE", "allow_pickle": True},
    "pickle.load": {"file": "PICKLE"},
    "pickle.loads": {"_args_": ["x"]},
    "torch.load": {"f": "PICKLE", "weights_only": False},
    "torch.save": {"obj": 1, "f": "MARK"},
    "torch.hub.load": {"repo_or_dir": "FOLDER", "model": "run", "source": "local"},
    "torch.hub.load_state_dict_from_url": {"url": "file://PICKLE"},
    "torch.hub.download_url_to_file": {"url": "file://FILE", "dst": "MARK"},
    "torch.utils.collect_env.run": {"command": "touch MARK"},
    "torch.optim.optimizer.torch.load": {"f": "PICKLE", "weights_only": False},
    "torch.nn.modules.module.os.system": {"command": "touch MARK"},
    "torch.nn.utils.parametrize.copyreg.pickle.load": {"file": "PICKLE"},
    "torch.nn.Module.register_module": {"_args_": [1, "a", None]},
    "torchvision.models.get_model": {"name": "resnet18"},
    "importlib.import_module": {"name": "noisy"},
    "runpy.run_path": {"path_name": "FOLDER/hubconf.py"},
    "functools.partial": {"_args_": [{"_target_": "os.system", "_partial_": True}, "touch MARK"]},
    "hydra.utils.get_method": {"path": "os.system"},
    "hydra.utils.get_class": {"path": "noisy.Thing"},
    "hydra.utils.instantiate": {"config": {"_target_": "os.system", "command": "touch MARK"}},
    "omegaconf.OmegaConf.save": {"config": {}, "f": "MARK"},
    "logging.FileHandler": {"filename": "MARK"},
    "logging.config.dictConfig": {"config": {"version": 1}},
    "lightning.pytorch.cli.LightningCLI": {},
    "lightning.pytorch.callbacks.LambdaCallback": {},
    "zoo.run.train": {"cfg": {}},
    "zoo.build.build": {"cfg": {}, "started": 0},
    "zoo.config.construct.construct": {"_args_": [{"_target_": "os.system", "command": "touch MARK"}, "x"]},
    "zoo.checkpoint.load_file": {"path": "PICKLE"},
    "zoo.files.write_json": {"path": "MARK", "values": {}},
    "zoo.callbacks.run_record.subprocess.run": {"args": ["touch", "MARK"]},
    "zoo.data.torchvision_images.unpickle": {"content": "x", "path": "x"},
    "zoo.layers.naming.find_module_class": {"kind": "x", "name": "noisy.Thing", "choices": {}},
    "sandbox.os.system": {"command": "touch MARK"},
    "sandbox.torch.load": {"f": "PICKLE", "weights_only": False},
    "noisy.Thing": {},
}


def placed(place: str, target: str, key: str, value: str) -> str:
    node = f"{{_target_: {target}, {key}: {value}}}"
    partial = f"{{_target_: {target}, _partial_: true, {key}: {value}}}"
    text = PLACES[place].replace("PARTIAL", partial).replace("TARGET", node).replace("NAME", target)
    return text.replace("KEY", key).replace("VALUE", value)


def filled(value: Any, mark: Path) -> Any:
    text = {"MARK": mark, "PICKLE": mark.with_name("pickle"), "FILE": mark.with_name("file")}
    text["FOLDER"] = mark.with_name("folder")
    if isinstance(value, dict):
        return {key: filled(item, mark) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, mark) for item in value]
    for name, path in text.items():
        value = value.replace(name, str(path)) if isinstance(value, str) else value
    return value


@pytest.mark.parametrize("place", PLACES)
def test_a_shell_does_not_run_wherever_it_is_named(start, mark: Path, monkeypatch, place: str) -> None:
    monkeypatch.setenv("HIDDEN", f"{{_target_: os.system, command: 'touch {mark}'}}")
    code, errors = start(placed(place, "os.system", "command", f"touch {mark}"), "allow=[sandbox]")
    assert code == 2 and "os.system may not be built" in errors
    assert not mark.exists()


@pytest.mark.parametrize("place", PLACES)
def test_what_is_allowed_runs_in_the_same_place(start, mark: Path, monkeypatch, place: str) -> None:
    monkeypatch.setenv("HIDDEN", f"{{_target_: sandbox.touch, path: '{mark}'}}")
    assert start(placed(place, "sandbox.touch", "path", str(mark)), "allow=[sandbox]") == (0, "")
    assert mark.exists()


@pytest.mark.parametrize("place", PLACES)
def test_without_allow_a_package_of_the_users_is_not_even_imported(start, mark: Path, monkeypatch, place: str) -> None:
    monkeypatch.setenv("HIDDEN", "{_target_: noisy.Thing}")
    text = placed(place, "noisy.Thing", "path", str(mark)).replace("sandbox.Box", "torch.nn.Identity")
    code, errors = start(text)
    assert code == 2 and "allow=[noisy]" in errors
    assert not mark.exists()


@pytest.mark.parametrize("target", FORBIDDEN)
def test_a_forbidden_target_is_found_before_anything_is_built(mark: Path, target: str) -> None:
    node = {"_target_": target, **filled(FORBIDDEN[target], mark)}
    config = OmegaConf.create({"node": node, "nested": {"_target_": "sandbox.Box", "parts": [node]}})
    grant(config, ["sandbox"])
    errors = check(config)
    assert {"node._target_", "nested.parts.0._target_"} <= {error.where for error in errors}
    assert all("\n" not in str(error) for error in errors)


@pytest.mark.parametrize("target", FORBIDDEN)
@pytest.mark.parametrize("partial", [False, True])
def test_a_forbidden_target_is_refused_again_where_it_would_be_built(mark: Path, target: str, partial: bool) -> None:
    node = {"_target_": target, "_partial_": partial, **filled(FORBIDDEN[target], mark)}
    config = OmegaConf.create({"node": node, "nested": {"_target_": "sandbox.Box", "parts": [node]}})
    grant(config, ["sandbox"])
    for name in config:
        with pytest.raises(OptionError, match=r"_target_: "):
            construct(config[name], name)
    assert not mark.exists() and mark.with_name("folder").is_dir()


def test_the_files_of_the_attacker_would_run_if_they_were_loaded(mark: Path) -> None:
    with mark.with_name("pickle").open("rb") as file:
        pickle.load(file)
    assert mark.exists()


@pytest.mark.parametrize("target", [5, None, ["os.system"], "", "os.system ", "open", "a b.c", "sandbox.Box()"])
def test_a_target_that_is_no_name_is_refused(mark: Path, target: Any) -> None:
    config = OmegaConf.create({"node": {"_target_": target}})
    grant(config, ["sandbox"])
    assert [error.where for error in check(config)] == ["node._target_"]
    with pytest.raises(OptionError, match=r"node\._target_: "):
        construct(config.node, "node")


@pytest.mark.parametrize("option", ["_recursive_: false", "_convert_: object", "_partial_: 1", "_args_: text"])
def test_other_ways_to_build_are_refused(start, option: str) -> None:
    code, errors = start(f"node: {{_target_: torch.nn.Identity, {option}}}")
    assert code == 2 and errors.startswith(f"error: node.{option.split(':')[0]}: ")


def test_text_is_not_read_as_an_interpolation_a_second_time(start, mark: Path) -> None:
    text = f"${{oc.create:{{_target_:os.system,command:'touch {mark}'}}}}"
    config = OmegaConf.create({"node": {"_target_": "sandbox.Box", "text": "\\" + text}})
    grant(config, ["sandbox"])
    box = construct(config.node, "node", other=text)
    assert box.more == {"text": text, "other": text}
    assert not mark.exists()


def test_an_object_that_is_passed_on_stays_itself(mark: Path) -> None:
    config = OmegaConf.create({"node": {"_target_": "sandbox.Box", "part": 1}})
    grant(config, ["sandbox"])
    part = {"_target_": "os.system", "command": f"touch {mark}"}
    assert construct(config.node, "node", part=part).more["part"] is part
    assert not mark.exists()


# allow=[...]


@pytest.mark.parametrize(
    "allow",
    ["allow: [sandbox]", "allow: sandbox", "allow: {sandbox: true}", "allow: ['${name}']\nname: sandbox"],
)
def test_allow_in_a_config_file_is_refused(start, mark: Path, allow: str) -> None:
    code, errors = start(f"{allow}\nnode: {{_target_: sandbox.touch, path: {mark}}}")
    assert code == 2 and "error: allow: a config file sets it" in errors
    assert not mark.exists()


def test_allow_in_an_experiment_is_refused(start, mark: Path, tmp_path: Path) -> None:
    (tmp_path / "configs" / "experiment").mkdir(parents=True)
    (tmp_path / "configs" / "experiment" / "evil.yaml").write_text("# @package _global_\nallow: [sandbox]\n")
    code, errors = start(f"node: {{_target_: sandbox.touch, path: {mark}}}", "+experiment=evil")
    assert code == 2 and "error: allow: a config file sets it" in errors
    assert not mark.exists()


@pytest.mark.parametrize(
    "allow",
    [
        *(
            "allow=[os]",
            "allow=[subprocess]",
            "allow=[builtins]",
            "allow=[torch]",
            "allow=[torch.utils]",
            "allow=[zoo]",
        ),
        *("allow=[hydra]", "allow=[numpy]", "allow=[posix]", "allow=[__main__]", "+allow=[sandbox,os]"),
        *("allow=sandbox", "allow=[${name}]", "allow=${names}", "allow=['a b']", "allow=[sandbox,*]"),
    ],
)
def test_what_cannot_be_allowed_is_refused(start, mark: Path, allow: str) -> None:
    text = f"name: os\nnames: [os]\nnode: {{_target_: os.system, command: 'touch {mark}'}}"
    code, errors = start(text, allow)
    assert code == 2 and "error: allow: " in errors
    assert not mark.exists()


def test_allow_cannot_be_swept(start, mark: Path) -> None:
    code, errors = start(f"node: {{_target_: sandbox.touch, path: {mark}}}", "-m", "allow=[sandbox],[noisy]")
    assert code == 2 and "error: allow: " in errors


def test_a_checkpoint_cannot_allow_anything(mark: Path) -> None:
    saved = {"allow": ["sandbox"], "node": {"_target_": "sandbox.touch", "path": str(mark)}}
    config = OmegaConf.create(saved)
    assert [error.where for error in check(config)] == ["node._target_"]
    with pytest.raises(OptionError, match=r"add allow=\[sandbox\]"):
        construct(config.node, "node")
    assert not mark.exists()


def test_a_grant_is_for_what_was_allowed_not_for_what_is_merged_in(mark: Path) -> None:
    config = OmegaConf.create({"allow": ["other"]})
    grant(config, ["other"])
    merged = OmegaConf.merge(config, {"allow": ["sandbox"], "node": {"_target_": "sandbox.touch", "path": str(mark)}})
    assert granted(merged) == ("other",)
    with pytest.raises(OptionError, match=r"sandbox\.touch may not be built"):
        construct(merged.node, "node")
    assert granted(OmegaConf.merge({"allow": ["other"]}, {"x": 1})) == ()


def test_compose_takes_allow_too_and_an_evaluation_may_pass_it_on(mark: Path) -> None:
    config = compose(["allow=[sandbox]"])
    assert granted(config) == granted(config.model) == ("sandbox",) and granted(compose([])) == ()
    saved = OmegaConf.create({"node": {"_target_": "sandbox.touch", "path": str(mark)}})
    grant(saved, granted(config))
    construct(saved.node, "node")
    assert mark.exists()


@pytest.mark.parametrize("argument", ["activation", "norm"])
def test_the_path_of_an_activation_is_no_way_round(mark: Path, argument: str) -> None:
    from zoo.layers.naming import find_module_class, importable

    with pytest.raises(OptionError, match=rf"model.{argument}: noisy.Thing may not be built"):
        compose(["model=convnet", f"model.{argument}=noisy.Thing"])
    with pytest.raises(ValueError, match="is not imported"):
        find_module_class(argument, "noisy.Thing", {})
    with importable(["sandbox"]), pytest.raises(ValueError, match=r"is defined in torch\.jit"):
        find_module_class(argument, "sandbox.Elsewhere", {})
    assert not mark.exists()
    with importable(["sandbox"]):
        assert find_module_class(argument, "sandbox.Activation", {}).__name__ == "Activation"
    compose(["model=convnet", f"model.{argument}=sandbox.Activation", "allow=[sandbox]"])


def test_classes_of_the_libraries_are_judged_alike_by_source_and_by_object() -> None:
    names = ["torch.nn.Linear", "torch.optim.AdamW", "torch.optim.lr_scheduler.StepLR", "lightning.Trainer"]
    names += ["torchmetrics.Accuracy", "torchmetrics.text.Perplexity", "torchaudio.transforms.MelSpectrogram"]
    names += ["torchvision.transforms.v2.Resize", "torchvision.models.resnet18", "zoo.optim.schedules.cosine"]
    names += ["lightning.pytorch.callbacks.EarlyStopping", "torch.optim.swa_utils.get_ema_multi_avg_fn"]
    for name in names:
        assert not check({"node": {"_target_": name, "_partial_": True}})
        assert callable(locate("node", name))


def test_what_builds_a_run_checks_once_more(mark: Path) -> None:
    from zoo.build import build_each

    nodes = OmegaConf.create({"extra": {"_target_": "os.system", "command": f"touch {mark}"}})
    with pytest.raises(OptionError, match=r"callbacks\.extra\._target_: os\.system may not be built"):
        build_each(nodes, "callbacks")
    assert not mark.exists()
