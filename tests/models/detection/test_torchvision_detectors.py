"""Torchvision's detectors find here what they find there, with their weights as published."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision import models

from zoo.models.detection.backbone_detector import BackboneDetector
from zoo.models.detection.faster_rcnn import FasterRCNN
from zoo.models.detection.fcos import FCOS
from zoo.models.detection.published import NUM_CLASSES, load_state
from zoo.models.detection.retinanet import RetinaNet
from zoo.models.detection.ssdlite import SSDLite
from zoo.models.pretrained import load_weights

SIDE = 320  # torchvision's SSDLite takes no other


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "name"),
    [
        (FasterRCNN, "fasterrcnn_resnet50_fpn"),
        (RetinaNet, "retinanet_resnet50_fpn"),
        (FCOS, "fcos_resnet50_fpn"),
        (SSDLite, "ssdlite320_mobilenet_v3_large"),
    ],
)
def test_what_torchvision_finds_is_found(ours: Any, name: str) -> None:
    torch.manual_seed(0)
    as_it_comes = {"min_size": SIDE, "max_size": SIDE, "image_mean": [0.0] * 3, "image_std": [1.0] * 3}
    if ours is SSDLite:
        as_it_comes = {"image_mean": [0.0] * 3, "image_std": [1.0] * 3}
    threshold = {"box_score_thresh" if ours is FasterRCNN else "score_thresh": 0.0}
    theirs: Any = models.get_model(name, weights=None, weights_backbone=None, **as_it_comes, **threshold).eval()
    background = ours.first_label
    finder = ours(NUM_CLASSES - background, 3, score_threshold=0.0, max_detections=20).eval()
    load_state(finder.network, theirs.state_dict())
    images = torch.randn(1, 3, SIDE, SIDE)
    with torch.no_grad():
        expected, found = theirs(list(images))[0], finder.detect(finder(images))[0]
    assert len(expected["scores"]) >= 20
    torch.testing.assert_close(found[:, 4], expected["scores"][:20], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found[:, :4], expected["boxes"][:20], atol=1e-2, rtol=1e-4)
    assert torch.equal(found[:, 5].long() + background, expected["labels"][:20])


@pytest.mark.parametrize("weights", ["COCO_V7", "IMAGENET1K_V7"])
def test_unknown_weights_are_refused_with_those_that_there_are(weights: str) -> None:
    with pytest.raises(ValueError, match=r"unknown weights of fcos_resnet50_fpn on resnet50 .*COCO_V1.*IMAGENET1K_V1"):
        FCOS(3, 3, weights=weights)


def test_weights_out_of_reach_are_one_line_that_names_file_and_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(ValueError, match=r"cannot be downloaded .*; put ssdlite.*\.pth into .*hub"):
        SSDLite(3, 3, weights="DEFAULT")


def test_a_backbone_without_such_levels_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match=r"backbone resnet18: no features at stride 64, but at 1, 2, 4, 8, 16, 32"):
        BackboneDetector(2, 3, backbone="resnet18", strides=[32, 64])
    with pytest.raises(ValueError, match=r"unknown torchvision classifier 'resnet19'; did you mean resnet1"):
        BackboneDetector(2, 3, backbone="resnet19")


@pytest.mark.parametrize("ours", [BackboneDetector, RetinaNet])
def test_a_file_of_the_classifier_alone_is_loaded_into_the_backbone(ours: Any, tmp_path: Path) -> None:
    classifier = models.resnet18()
    torch.save(classifier.state_dict(), tmp_path / "classifier.pth")
    finder = ours(2, 3, backbone="resnet18")
    report = load_weights(finder, tmp_path / "classifier.pth")
    body = (finder.backbone if ours is BackboneDetector else finder.network.backbone).body
    name = "layer4.1.conv2.weight"
    assert torch.equal(body.state_dict()[name], classifier.state_dict()[name])
    assert len(report.unexpected) == 2 and not report.reshaped
    torch.save(models.mobilenet_v2().state_dict(), tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"\d+ tensors missing in the file: .*backbone\.body\."):
        load_weights(finder, tmp_path / "other.pth")
    torch.save(ours(5, 3, backbone="resnet18").state_dict(), tmp_path / "whole.pth")
    assert load_weights(finder, tmp_path / "whole.pth").reshaped  # for other classes


def test_frozen_norms_are_constants_that_change_nothing() -> None:
    torch.manual_seed(0)
    images = torch.randn(2, 3, 64, 64)
    usual = BackboneDetector(2, 3, backbone="resnet18").eval()
    frozen = BackboneDetector(2, 3, backbone="resnet18", frozen_norm=True)
    frozen.load_state_dict({key: value for key, value in usual.state_dict().items() if key in frozen.state_dict()})
    assert torch.allclose(levels(frozen.eval(), images), levels(usual, images), atol=1e-4)
    before = {key: value.clone() for key, value in frozen.backbone.body.named_buffers()}
    frozen.train()(images)
    assert all(torch.equal(value, before[key]) for key, value in frozen.backbone.body.named_buffers())


def levels(finder: BackboneDetector, images: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([level.flatten() for level in finder.backbone(images).values()])
