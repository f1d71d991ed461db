"""Randomness that is counted, not carried: a seed is a function of what it is for.

Free of torch. A run that is killed and resumed draws what an uninterrupted run would have drawn, because nothing is
remembered: the order of samples is seeded by (seed, epoch), dropout by (seed, epoch, step).
"""

import hashlib


def counted_seed(*counters: int | str) -> int:
    """Hashes counters, such as a seed, an epoch and the name of what is drawn, to a seed of 64 bits.

    Returns:
        The seed; any two different tuples of counters give unrelated ones.
    """
    return int.from_bytes(hashlib.blake2b(repr(counters).encode(), digest_size=8).digest())
