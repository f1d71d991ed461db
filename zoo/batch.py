"""What loaders, data modules and augmentation call a batch.

"input" (B, C, H, W), uint8 as loaded and float32 when finished; "target" (B,), int64; "index" (B,), int64, the rows in
the split; and "soft_target" (B, K), float32, where labels were mixed.
"""

from torch import Tensor

Batch = dict[str, Tensor]
