"""What loaders, data modules, augmentation and tasks call a batch: tensors by name.

"index" (B,), int64, are the rows in the split. The others, by what is learned:

- images: "input" (B, C, H, W), uint8 as loaded and float32 when finished; "target" (B,), int64; "soft_target" (B, K),
  float32, where labels were mixed.
- segmentation: "input" as images; "target" (B, H, W), as loaded uint8 and 255 where there is none, when finished int64
  and -100 there.
- sound: "input" (B, 1, F, T), a spectrogram laid out as an image, or (B, 1, T), the waveform; "target" (B,).
- detection: "input" as for images, each image scaled to fit with its aspect kept, and padded at the right and the
  bottom with the mean, 0 when finished; "content" (B, 4), int64, the part that is not padding; "boxes" (B, M, 4),
  float32, x1 y1 x2 y2 in pixels of the input, padded with 0; "labels" (B, M), int64, -1 where padded; "ignored" (B, M),
  bool, objects that count neither as found nor as missed and are not learned from; "scale" (B,), float32, pixels of the
  input per pixel of the original. M is the same in all batches of a split.
- text: "input" (B, T), int64 tokens, filled up at the end with 0, which is no token of any text; "target" (B,).
- language: "input" and "target" (B, T), int64, each target the token after its input; -100 where there is none.
- series: "input" (B, L, C), standardised, targets before covariates; "target" (B, H, N), standardised likewise.
- sequence to sequence: "input" (B, S) and "decoder_input", "target" (B, T), int64, filled up with 0; the token that
  "target" ends with is the one that "decoder_input" begins with.
- features: "features" (B, ...) in place of "input", what frozen layers have made of it.
- transcription: "input" (B, 1, F, T) with "input_length" (B,) in columns, as loaded (B, T) and in samples; "target"
  (B, U), filled up with 0, with "target_length" (B,).
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

Batch = dict[str, Tensor]

NO_TARGET = -100  # the target where there is none, which torch's cross-entropy leaves out

Value = TypeVar("Value")


def repeated(value: Value, size: int, rows: int | None = None) -> Value:
    """Makes a batch of `size` samples out of a smaller or larger one, by taking its samples in turn.

    Args:
        value: a batch: tensors (B, ...) and lists of B, in mappings.
        size: samples in the result.
        rows: B; None for the length of the first tensor.
    """
    rows = rows if rows is not None else next(len(tensor) for tensor in tensors_in(value) if tensor.ndim)
    result: Any = value
    if isinstance(value, Tensor) and value.ndim and len(value) == rows:
        result = value.index_select(0, torch.arange(size, device=value.device) % rows)
    elif isinstance(value, Mapping):
        result = {key: repeated(item, size, rows) for key, item in value.items()}
    elif isinstance(value, list | tuple) and len(value) == rows:
        result = [value[row % rows] for row in range(size)]
    return result  # type: ignore[no-any-return]


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yields the tensors in mappings and lists."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from tensors_in(item)
