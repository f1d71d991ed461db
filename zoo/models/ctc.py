"""Texts out of the outputs of a model that was trained by connectionist temporal classification (CTC).

Alex Graves, Santiago Fernández, Faustino Gomez, Jürgen Schmidhuber, "Connectionist Temporal Classification: Labelling
Unsegmented Sequence Data with Recurrent Neural Networks", ICML 2006. A frame says a token or, with token 0, nothing;
equal tokens in a row are one, unless nothing stands between them. Prefix beam search: Awni Hannun et al., "First-Pass
Large Vocabulary Continuous Speech Recognition using Bi-Directional Recurrent DNNs", 2014, arXiv:1408.2873, without a
language model, for a whole batch at once.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from zoo.ranges import PositiveInt

BLANK = 0  # the token that says nothing; texts are filled up with it, too
_NEVER = -torch.inf
_APART = 1 << 40  # from the numbers of what is no prefix to those of their parents, which are none either
_FACTOR = 6364136223846793005  # of the numbers that prefixes are known by; odd, so that none is lost modulo 2^64


def ctc_greedy(log_probabilities: Float[Tensor, "B T V"], lengths: Int64[Tensor, " B"]) -> Int64[Tensor, "B L"]:
    """Reads the most probable token of each frame.

    Args:
        log_probabilities: of the tokens in each frame; logits will do.
        lengths: how many frames of each sequence are real.

    Returns:
        The texts, filled up with 0; L is at least 1.
    """
    tokens = log_probabilities.argmax(dim=2)  # (B, T)
    real = torch.arange(tokens.shape[1], device=tokens.device) < lengths.unsqueeze(1)
    said = real & (tokens != BLANK)
    said[:, 1:] &= tokens[:, 1:] != tokens[:, :-1]
    return _packed(tokens, said)


class _Beams(NamedTuple):
    """The most probable prefixes of each sequence, (B, W) each.

    Attributes:
        ends_blank: log-probability of all ways to say the prefix whose last frame says nothing.
        ends_token: the same of those whose last frame says its last token.
        last: its last token; 0 of the empty one.
        number: what it is known by, a function of its tokens.
        parent: the number of the prefix without its last token.
        place: its node in the tree of prefixes.
    """

    ends_blank: Tensor
    ends_token: Tensor
    last: Tensor
    number: Tensor
    parent: Tensor
    place: Tensor

    @property
    def score(self) -> Tensor:
        """Log-probability of all ways to say the prefix."""
        return torch.logaddexp(self.ends_blank, self.ends_token)


def ctc_beam(
    log_probabilities: Float[Tensor, "B T V"], lengths: Int64[Tensor, " B"], *, beam_width: PositiveInt
) -> tuple[Int64[Tensor, "B L"], Float[Tensor, " B"]]:
    """Finds the most probable text, where the ways to say it are summed up.

    The search is exact where the beam holds all prefixes. Prefixes are told apart by numbers of 64 bits, so that two
    different ones are taken for one with a probability of W² / 2⁶⁴ a frame.

    Args:
        log_probabilities: of the tokens in each frame, normalised.
        lengths: how many frames of each sequence are real.
        beam_width: W, how many prefixes are kept after each frame.

    Returns:
        The texts, filled up with 0, L at least 1, and their log-probabilities.
    """
    frames = log_probabilities.to(torch.promote_types(log_probabilities.dtype, torch.float32))
    beams = _begin(frames, beam_width)
    parents, tokens = [], []  # of the nodes of each frame, which are places in all frames before
    for time in range(frames.shape[1]):
        going = (time < lengths).unsqueeze(1)  # (B, 1)
        beams, source, token = _advance(beams, frames[:, time], going, beam_width, first_place=1 + time * beam_width)
        parents.append(source)
        tokens.append(token)
    best = beams.score.argmax(dim=1, keepdim=True)  # (B, 1)
    text = _trace(beams.place.gather(1, best)[:, 0], parents, tokens)
    return text, beams.score.gather(1, best)[:, 0]


def _begin(frames: Tensor, beam_width: int) -> _Beams:
    """The empty prefix, and places in the beam that hold none yet."""
    shape = frames.shape[0], beam_width
    ends_blank = frames.new_full(shape, _NEVER)
    ends_blank[:, 0] = 0.0
    zeros = torch.zeros(shape, dtype=torch.int64, device=frames.device)
    numbers = zeros - torch.arange(beam_width, device=frames.device)  # of which the first is the empty prefix
    return _Beams(ends_blank, torch.full_like(ends_blank, _NEVER), zeros, numbers, numbers - _APART, zeros)


def _advance(
    beams: _Beams, frame: Tensor, going: Tensor, beam_width: int, *, first_place: int
) -> tuple[_Beams, Tensor, Tensor]:
    """One frame: each prefix stays as it is, or a token is added to it.

    Args:
        beams: before the frame.
        frame: log-probabilities of the tokens, (B, V).
        going: which sequences have that frame, (B, 1); the others stay as they are.
        beam_width: W.
        first_place: the first of the W nodes of this frame.

    Returns:
        The prefixes after the frame, and for each the node that it was added to and the token, 0 where it stayed.
    """
    batch, vocab_size = frame.shape
    blank = frame[:, BLANK].unsqueeze(1)
    again = frame.gather(1, beams.last).masked_fill(beams.last == BLANK, _NEVER)
    stay_blank, stay_token = beams.score + blank, beams.ends_token + again  # (B, W)
    # A token that the prefix ends with is only new after a blank.
    before = beams.score.unsqueeze(2).repeat(1, 1, vocab_size)
    before.scatter_(2, beams.last.unsqueeze(2), beams.ends_blank.unsqueeze(2))
    added = before + frame.unsqueeze(1)  # (B, W, V)
    added[:, :, BLANK] = _NEVER
    # Where prefix and token make a prefix that is in the beam, the two are one.
    met = beams.parent.unsqueeze(2) == beams.number.unsqueeze(1)  # (B, W, W): whose parent is whom
    ways = torch.where(met, added.gather(2, beams.last.unsqueeze(1).expand(-1, beam_width, -1)).mT, _NEVER)
    stay_token = torch.logaddexp(stay_token, ways.amax(dim=2))
    taken = torch.zeros_like(added, dtype=torch.int64)
    taken.scatter_add_(2, beams.last.unsqueeze(1).expand(-1, beam_width, -1), met.mT.to(torch.int64))
    added = added.masked_fill(taken > 0, _NEVER)

    stays = torch.logaddexp(stay_blank, stay_token)
    scores = torch.cat([stays, added.flatten(1)], dim=1)  # (B, W + W V)
    kept = scores.topk(beam_width, dim=1).indices.sort(dim=1).values
    kept = torch.where(going, kept, torch.arange(beam_width, device=kept.device))
    is_new = kept >= beam_width
    source = torch.where(is_new, (kept - beam_width).div(vocab_size, rounding_mode="floor"), kept)
    token = torch.where(is_new, (kept - beam_width) % vocab_size, beams.last.gather(1, kept.clamp(max=beam_width - 1)))

    def chosen(of_stays: Tensor, of_new: Tensor) -> Tensor:
        return torch.where(is_new, of_new, of_stays.gather(1, source))

    nodes = torch.arange(first_place, first_place + beam_width, device=kept.device).expand(batch, -1)
    parent = beams.number.gather(1, source)
    number = torch.where(is_new, parent * _FACTOR + token + 1, parent)
    parent = torch.where(is_new, parent, beams.parent.gather(1, source))
    # What fills a beam up where there are too few prefixes must not pass for one of them.
    dead = chosen(stays, scores.gather(1, kept)) == _NEVER
    after = _Beams(
        ends_blank=chosen(torch.where(going, stay_blank, beams.ends_blank), torch.full_like(stays, _NEVER)),
        ends_token=chosen(torch.where(going, stay_token, beams.ends_token), scores.gather(1, kept)),
        last=token,
        number=torch.where(dead, -nodes, number),
        parent=torch.where(dead, -nodes - _APART, parent),
        place=nodes,
    )
    return after, beams.place.gather(1, source), torch.where(is_new, token, BLANK)


def _trace(places: Tensor, parents: list[Tensor], tokens: list[Tensor]) -> Tensor:
    """Returns the tokens on the way from the root of the tree to some of its nodes, (B, L)."""
    width = parents[0].shape[1] if parents else 1
    said = []
    for source, token in zip(reversed(parents), reversed(tokens), strict=True):
        column = ((places - 1) % width).unsqueeze(1)
        said.append(token.gather(1, column)[:, 0])
        places = source.gather(1, column)[:, 0]
    text = torch.stack(said[::-1], dim=1) if said else places.new_zeros(len(places), 1)
    return _packed(text, text != BLANK)


def _packed(tokens: Int64[Tensor, "B T"], kept: Bool[Tensor, "B T"]) -> Int64[Tensor, "B L"]:
    """Moves the tokens that are kept to the front; zeros stand behind them."""
    length = max(1, int(kept.sum(1).max())) if tokens.shape[1] else 1
    order = (~kept).to(torch.int8).argsort(dim=1, stable=True)
    moved = tokens.gather(1, order).masked_fill(~kept.gather(1, order), BLANK)
    return moved[:, :length]
