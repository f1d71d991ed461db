import logging

import pytest
import torch
from torch import Tensor, nn

from tests.callbacks.tiny_run import TinyData, TinyTask, tiny_trainer
from zoo.callbacks.model_graph import ModelGraph, write_graph
from zoo.callbacks.tensorboard import TensorBoard


def graph_nodes(directory) -> list[str]:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    names = []
    for path in sorted((directory / "tensorboard" / "train").glob("events*")):
        for event in EventFileLoader(str(path)).Load():
            if event.HasField("graph_def"):
                names += [node.name for node in GraphDef.FromString(event.graph_def).node]
    return names


class Stubborn(nn.Module):
    def forward(self, inputs: Tensor) -> Tensor:
        raise NotImplementedError("no way\nat all")


def test_modes_and_randomness_are_as_before(tmp_path):
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.BatchNorm1d(4)).train()
    model[2].eval()  # a frozen layer among those that train
    logger = TensorBoard(tmp_path)
    torch.manual_seed(3)
    write_graph(logger, model, torch.randn(1, 4), 0)
    after = torch.rand(1)
    logger.finalize("success")
    torch.manual_seed(3)
    torch.randn(1, 4)
    assert torch.equal(after, torch.rand(1))
    assert [module.training for module in model] == [True, True, False]
    assert any("Linear" in name for name in graph_nodes(tmp_path))


def test_a_model_that_cannot_be_traced_is_one_line_in_the_log(tmp_path, caplog, capsys):
    model = Stubborn().train()
    with caplog.at_level(logging.INFO):
        write_graph(TensorBoard(tmp_path), model, torch.zeros(1), 0)
    assert caplog.messages == ["no model graph: no way"]
    assert model.training
    assert capsys.readouterr().out == ""


def test_a_compiled_model_is_traced_and_stays_compiled(tmp_path):
    model = nn.Linear(4, 2)
    model.compile(backend="eager")
    compiled = model._compiled_call_impl
    logger = TensorBoard(tmp_path)
    write_graph(logger, model, torch.zeros(1, 4), 0)
    logger.finalize("success")
    assert model._compiled_call_impl is compiled
    assert graph_nodes(tmp_path)


@pytest.mark.parametrize(("limit", "written"), [(10_000_000, True), (10, False)])
def test_the_graph_is_written_in_the_first_validation_if_the_model_is_small(tmp_path, limit, written):
    callback = ModelGraph(max_parameters=limit)
    trainer = tiny_trainer(tmp_path, max_epochs=1, callbacks=[callback], logger=[TensorBoard(tmp_path)])
    trainer.fit(TinyTask(), datamodule=TinyData())
    assert bool(graph_nodes(tmp_path)) == written
    assert callback.on_validation_batch_end is None
