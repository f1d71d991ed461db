"""Randomness that is counted, not carried: a seed is a function of what it is for.

Free of torch. A run that is killed and resumed draws what an uninterrupted run would have drawn, because nothing is
remembered: the order of samples is seeded by (seed, epoch), dropout by (seed, epoch, step).
"""

_MASK = (1 << 64) - 1


def derive_seed(seed: int, *counters: int) -> int:
    """Mixes a seed with counters into a new 63-bit seed by the finaliser of SplitMix64 (Steele, Lea and Flood 2014).

    Args:
        seed: the seed of the run.
        *counters: what the new seed is for, such as epoch and step; (1, 2) and (2, 1) give unrelated seeds.

    Returns:
        A number from 0 to 2**63 - 1.
    """
    state = seed & _MASK
    for counter in counters:
        state = (state + 0x9E3779B97F4A7C15 + (counter & _MASK)) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state >> 1
