"""Ranges that torch, torchvision and Lightning do not state in their signatures, and check late or not at all.

Classes of ours state their ranges as annotations; this table is for the others and goes by the argument's name, so it
holds only names that mean the same wherever they occur.
"""

from zoo.config.annotations import INTEGER, NUMBER, AnyOf, Items, Plain, Ranged, Rule
from zoo.ranges import Range

_FROM_0 = Ranged(NUMBER, Range(0))
_FROM_0_TO_1 = Ranged(NUMBER, Range(0, 1))
_BELOW_1 = Ranged(NUMBER, Range(0, 1, open_maximum=True))
_COUNT = Ranged(INTEGER, Range(1))
_COUNT_OR_0 = Ranged(INTEGER, Range(0))
_COUNT_OR_ENDLESS = Ranged(INTEGER, Range(-1))
_BATCHES = AnyOf((_COUNT_OR_0, Ranged(Plain("a fraction", (float,)), Range(0, 1))))

LATE: dict[str, Rule] = {
    "lr": _FROM_0,
    "max_lr": _FROM_0,
    "eta_min": _FROM_0,
    "weight_decay": _FROM_0,
    "momentum": _FROM_0_TO_1,
    "dampening": _FROM_0_TO_1,
    "betas": Items((_BELOW_1, _BELOW_1), is_fixed=True),
    "eps": _FROM_0,
    "pct_start": _FROM_0_TO_1,
    "T_max": _COUNT,
    "T_0": _COUNT,
    "step_size": _COUNT,
    "total_steps": _COUNT,
    "label_smoothing": _FROM_0_TO_1,
    "dropout": _FROM_0_TO_1,
    "num_classes": _COUNT,
    "num_layers": _COUNT,
    "hidden_size": _COUNT,
    "max_epochs": _COUNT_OR_ENDLESS,
    "min_epochs": _COUNT_OR_0,
    "max_steps": _COUNT_OR_ENDLESS,
    "min_steps": _COUNT_OR_0,
    "num_nodes": _COUNT,
    "limit_train_batches": _BATCHES,
    "limit_val_batches": _BATCHES,
    "limit_test_batches": _BATCHES,
    "limit_predict_batches": _BATCHES,
    "overfit_batches": _BATCHES,
    "check_val_every_n_epoch": _COUNT,
    "num_sanity_val_steps": _COUNT_OR_ENDLESS,
    "log_every_n_steps": _COUNT_OR_0,
    "accumulate_grad_batches": _COUNT,
    "gradient_clip_val": _FROM_0,
    "reload_dataloaders_every_n_epochs": _COUNT_OR_0,
    "save_top_k": _COUNT_OR_ENDLESS,
    "every_n_epochs": _COUNT_OR_0,
    "every_n_train_steps": _COUNT_OR_0,
    "patience": _COUNT_OR_0,
    "batch_size": _COUNT,
    "num_workers": _COUNT_OR_0,
    "prefetch_factor": _COUNT,
}
