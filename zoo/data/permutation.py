"""A shuffled order of any number of samples that needs no memory: where a place leads is computed when it is asked.

A Feistel network of four rounds over the next power of four, walked until it leads into the range: J. Black and
P. Rogaway, "Ciphers with Arbitrary Finite Domains", 2002. No cipher is needed here, only rows that look drawn, so each
round mixes with the finaliser of SplitMix64 (Steele et al., 2014).
"""

from typing import Any

import numpy as np

from zoo.seeds import counted_seed

_ROUNDS = 4
Places = np.ndarray[Any, np.dtype[np.int64]]


def permuted(places: Places, size: int, *counters: int | str) -> Places:
    """Returns what a permutation of the numbers below `size` has at some places.

    Args:
        places: places, each below `size`, (N,).
        size: how many numbers are permuted.
        counters: what the permutation is for, such as a seed and an epoch.

    Returns:
        The numbers there, (N,).
    """
    half = np.uint64(max(1, -(-max(size - 1, 1).bit_length() // 2)))
    mask = (np.uint64(1) << half) - np.uint64(1)
    keys = [np.uint64(counted_seed("permutation", *counters, number)) for number in range(_ROUNDS)]
    values = places.astype(np.uint64)
    outside = np.arange(len(values))
    while len(outside):
        left, right = values[outside] >> half, values[outside] & mask
        for key in keys:
            left, right = right, left ^ (_mixed(right ^ key) & mask)
        values[outside] = left << half | right
        outside = outside[values[outside] >= size]
    return values.astype(np.int64)


def _mixed(values: Any) -> Any:
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
