"""Whether what is judged on was trained on."""

from zoo.diagnosis.recorded import History

MOST_DUPLICATES = 0.01  # share of a split; real data sets have a few


def leak(history: History) -> str:
    """Samples of validation or test that are in the training split, too."""
    facts = history.facts
    shares = {split: count / facts.sizes[split] for split, count in facts.duplicates.items() if facts.sizes[split]}
    found = [split for split, share in shares.items() if share > MOST_DUPLICATES]
    told = [f"{facts.duplicates[name]} of {facts.sizes[name]} {name} samples ({shares[name]:.1%})" for name in found]
    return f"{' and '.join(told)} are training samples, too (limit {MOST_DUPLICATES:.0%})" if found else ""
