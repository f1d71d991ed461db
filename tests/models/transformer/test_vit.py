"""ViT is torchvision's with the same weights, and takes images of any size."""

import pytest
import torch
from torch import nn
from torchvision.models import VisionTransformer

from zoo.models.transformer.ast import AST
from zoo.models.transformer.vit import ViT


def published(model: ViT, theirs: VisionTransformer, rows: int, columns: int) -> None:
    """Gives torchvision's weights to a model."""
    state = theirs.state_dict()
    position = state["encoder.pos_embedding"][0]
    own = {
        "embedding.weight": state["conv_proj.weight"],
        "embedding.bias": state["conv_proj.bias"],
        "class_token.token": state["class_token"][0, 0] + position[0],
        "positions.embedding": position[1:].view(rows, columns, -1),
        "encoder.norm.weight": state["encoder.ln.weight"],
        "encoder.norm.bias": state["encoder.ln.bias"],
        "head.weight": state["heads.head.weight"],
        "head.bias": state["heads.head.bias"],
    }
    names = {
        "attention_norm": "ln_1",
        "mlp_norm": "ln_2",
        "attention.project": "self_attention.out_proj",
        "mlp.expand": "mlp.0",
        "mlp.project": "mlp.3",
    }
    for block in range(len(model.encoder.blocks)):
        prefix = f"encoder.layers.encoder_layer_{block}"
        for kind in ("weight", "bias"):
            own[f"encoder.blocks.{block}.attention.qkv.{kind}"] = state[f"{prefix}.self_attention.in_proj_{kind}"]
            for ours, name in names.items():
                own[f"encoder.blocks.{block}.{ours}.{kind}"] = state[f"{prefix}.{name}.{kind}"]
    model.load_state_dict(own)


def test_with_its_weights_it_gives_torchvisions_logits() -> None:
    torch.manual_seed(0)
    theirs = VisionTransformer(16, 4, 2, 2, 32, 64, num_classes=5).eval()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.1)
    ours = ViT(5, image_size=16, patch_size=4, embed_dim=32, num_layers=2, num_heads=2, hidden_size=64).eval()
    published(ours, theirs, 4, 4)
    images = torch.randn(3, 3, 16, 16)
    torch.testing.assert_close(ours(images), theirs(images), atol=1e-5, rtol=1e-5)


def test_patches_that_do_not_fill_the_image_are_refused_with_those_that_do() -> None:
    with pytest.raises(ValueError, match=r"image 18x12: .* patch_size 4; set model.patch_size to one of 1, 2, 3, 6"):
        ViT(5, image_size=[18, 12], patch_size=4)


@pytest.mark.parametrize(("size", "patch"), [(8, 4), (28, 4), (64, 8), ([64, 48], 8), (7, 1), (4, 1), (224, 28)])
def test_without_a_size_the_smallest_patches_that_are_few_are_taken(size: int | list[int], patch: int) -> None:
    assert ViT(5, image_size=size, embed_dim=8, num_layers=1, num_heads=1).embedding.kernel_size == (patch, patch)


def test_positions_saved_of_another_size_are_interpolated() -> None:
    small = ViT(5, image_size=16, patch_size=4, embed_dim=8, num_layers=1, num_heads=1)
    large = ViT(5, image_size=32, patch_size=4, embed_dim=8, num_layers=1, num_heads=1)
    with torch.no_grad():
        small.positions.embedding[:] = torch.linspace(0, 1, 4)[:, None, None]
    large.load_state_dict(small.state_dict())
    rows = large.positions.embedding[:, 0, 0]
    assert rows.shape == (8,)
    assert (rows.diff() > 0).all()
    again = ViT(5, image_size=16, patch_size=4, embed_dim=8, num_layers=1, num_heads=1)
    again.load_state_dict(small.state_dict())
    assert torch.equal(again.positions.embedding, small.positions.embedding)


def test_it_takes_images_of_another_size_than_its_own() -> None:
    model = ViT(5, image_size=16, patch_size=4, embed_dim=8, num_layers=1, num_heads=1).eval()
    assert model(torch.randn(2, 3, 24, 33)).shape == (2, 5)


def test_a_spectrogram_transformers_patches_overlap_and_reach_to_its_ends() -> None:
    torch.manual_seed(0)
    model = AST(5, image_size=[40, 101], embed_dim=8, num_layers=1, num_heads=1, pooling="mean").eval()
    assert model.positions.embedding.shape == (4, 10, 8)
    sound = torch.randn(2, 1, 40, 101)
    expected = model(sound)
    for row, column in ((0, 0), (39, 0), (0, 100)):
        changed = sound.clone()
        changed[:, :, row, column] += 9
        assert (model(changed) != expected).any(dim=1).all()


@pytest.mark.parametrize("frames", [1, 12, 50, 150])
def test_a_spectrogram_may_be_of_any_length(frames: int) -> None:
    model = AST(5, image_size=[40, 101], embed_dim=8, num_layers=1, num_heads=1).eval()
    assert model(torch.randn(2, 1, 40, frames)).shape == (2, 5)
