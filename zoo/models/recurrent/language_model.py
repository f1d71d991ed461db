"""Language model of recurrent layers, with the regularisation of AWD-LSTM.

Stephen Merity, Nitish Shirish Keskar, Richard Socher, "Regularizing and Optimizing LSTM Language Models", 2017,
arXiv:1708.02182. Where we deviate: all layers are of one width, and where the words' vectors are of another and tied, a
linear layer stands between; the state starts at zero with each sequence.
"""

from typing import Any

from jaxtyping import Float, Int64
from torch import Tensor, nn

from zoo.layers.dropout_embedding import DropoutEmbedding
from zoo.layers.functional_recurrent import State
from zoo.layers.locked_dropout import LockedDropout
from zoo.layers.recurrent import Cell, RecurrentEncoder
from zoo.layers.recurrent_init import RecurrentInit
from zoo.layers.tied_linear import TiedLinear
from zoo.ranges import NonNegativeFloat, PositiveInt, Probability


class RecurrentLanguageModel(nn.Module):
    """Says at each place of a text which token comes next.

    Args:
        vocab_size: V, number of tokens.
        cell: a name that `RecurrentEncoder` knows.
        embed_dim: D, width of the tokens' vectors; None for `hidden_size`.
        hidden_size: H, width of a layer.
        num_layers: number of recurrent layers.
        tie_embeddings: whether the head uses the weight of the embedding.
        dropout: probability to drop a feature of what the last layer gives, at all places of a sequence.
        input_dropout: the same of the tokens' vectors; None for `dropout`.
        hidden_dropout: the same between two layers; None for `dropout`.
        embedding_dropout: probability to drop a token altogether, drawn once for a batch.
        weight_drop: probability to drop a weight from hidden to hidden, drawn once for a batch.
        activation_penalty: weight of the mean square of what the last layer gives after dropout (AR).
        temporal_penalty: weight of the mean square of its change from step to step (TAR).
        init: a scheme that `initialize_recurrent` knows.
        forget_bias: start value of an LSTM's forget gates; None for that of `init`.
    """

    def __init__(
        self,
        vocab_size: PositiveInt,
        *,
        cell: Cell = "lstm",
        embed_dim: PositiveInt | None = None,
        hidden_size: PositiveInt = 256,
        num_layers: PositiveInt = 2,
        tie_embeddings: bool = True,
        dropout: Probability = 0.2,
        input_dropout: Probability | None = None,
        hidden_dropout: Probability | None = None,
        embedding_dropout: Probability = 0.0,
        weight_drop: Probability = 0.0,
        activation_penalty: NonNegativeFloat = 0.0,
        temporal_penalty: NonNegativeFloat = 0.0,
        init: RecurrentInit = "orthogonal",
        forget_bias: float | None = 1.0,
    ) -> None:
        super().__init__()
        embed_dim = embed_dim or hidden_size
        self.embedding = DropoutEmbedding(vocab_size, embed_dim, dropout=embedding_dropout)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)  # as in the paper: as rows of a head, N(0, 1) is too much
        self.input_dropout = LockedDropout(dropout if input_dropout is None else input_dropout)
        self.encoder = RecurrentEncoder(
            embed_dim,
            hidden_size,
            cell=cell,
            num_layers=num_layers,
            dropout=dropout if hidden_dropout is None else hidden_dropout,
            locked_dropout=True,
            weight_drop=weight_drop,
            init=init,
            forget_bias=forget_bias,
        )
        self.dropout = LockedDropout(dropout)
        through = tie_embeddings and embed_dim != hidden_size
        self.projection = nn.Linear(hidden_size, embed_dim) if through else None
        self.head: TiedLinear | nn.Linear = (
            TiedLinear(vocab_size) if tie_embeddings else nn.Linear(hidden_size, vocab_size)
        )
        self.activation_penalty, self.temporal_penalty = activation_penalty, temporal_penalty
        self._penalty: Tensor | None = None

    def forward(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Logits of the token after each place, from the tokens up to it."""
        outputs = self.encoder(self.input_dropout(self.embedding(tokens)))  # (B, T, H)
        dropped = self.dropout(outputs)
        if self.training and (self.activation_penalty or self.temporal_penalty):
            self._penalty = self._penalise(outputs, dropped)
        return self._logits(dropped)

    def decode(self, tokens: Int64[Tensor, "B T"], cache: Any | None = None) -> tuple[Float[Tensor, "B V"], State]:
        """Logits of the token after the last one, at a cost that does not depend on what was read before.

        Args:
            tokens: those that follow what `cache` has read.
            cache: what the last call has returned; None at the beginning of a text.

        Returns:
            The logits, and the state that the next call goes on from.
        """
        outputs, state = self.encoder.run(self.input_dropout(self.embedding(tokens)), state=cache)
        return self._logits(self.dropout(outputs[:, -1:]))[:, 0], state

    def regularization(self) -> Tensor | None:
        """The penalty on the activations of the last forward pass, to be added to its loss; asked again, None."""
        penalty, self._penalty = self._penalty, None
        return penalty

    def layer_groups(self) -> list[list[nn.Module]]:
        """The embedding, each recurrent layer (the last one with the projection), and the head."""
        *layers, last = self.encoder.layer_groups()
        projection: list[nn.Module] = [] if self.projection is None else [self.projection]
        return [[self.embedding], *layers, [*last, *projection], [self.head]]

    def _logits(self, features: Float[Tensor, "B T H"]) -> Float[Tensor, "B T V"]:
        if isinstance(self.head, TiedLinear):
            features = features if self.projection is None else self.projection(features)  # (B, T, D)
            tied: Tensor = self.head(features, self.embedding.weight)
            return tied
        logits: Tensor = self.head(features)
        return logits

    def _penalise(self, outputs: Float[Tensor, "B T H"], dropped: Float[Tensor, "B T H"]) -> Float[Tensor, ""]:
        penalty = self.activation_penalty * dropped.float().square().mean()
        if self.temporal_penalty and outputs.shape[1] > 1:
            penalty = penalty + self.temporal_penalty * outputs.float().diff(dim=1).square().mean()
        return penalty

    def __getstate__(self) -> dict[str, Any]:
        # A copy between forward and loss, such as an average of weights, takes no part in this step.
        return self.__dict__ | {"_penalty": None}
