"""What an attention layer keeps of the places it has read, so that the next one costs no more than the last."""

from jaxtyping import Float
from torch import Tensor

from zoo.ranges import PositiveInt


class KeyValueCache:
    """Keys and values of one attention layer, in memory that is taken once.

    Args:
        capacity: C, the number of places it can hold.
    """

    def __init__(self, capacity: PositiveInt) -> None:
        self.capacity, self.length = capacity, 0
        self._keys: Tensor | None = None
        self._values: Tensor | None = None

    def append(
        self, keys: Float[Tensor, "B G T d"], values: Float[Tensor, "B G T d"]
    ) -> tuple[Float[Tensor, "B G S d"], Float[Tensor, "B G S d"]]:
        """Adds places; returns those of all that were read, as views of its memory."""
        if self._keys is None or self._values is None:
            batch, heads, _, width = keys.shape
            self._keys = keys.new_empty(batch, heads, self.capacity, width)
            self._values = values.new_empty(batch, heads, self.capacity, width)
        start, self.length = self.length, self.length + keys.shape[2]
        assert self.length <= self.capacity
        self._keys[:, :, start : self.length] = keys
        self._values[:, :, start : self.length] = values
        return self.read()

    def read(self) -> tuple[Float[Tensor, "B G S d"], Float[Tensor, "B G S d"]]:
        """Returns the keys and values of all places that were read."""
        assert self._keys is not None and self._values is not None
        return self._keys[:, :, : self.length], self._values[:, :, : self.length]

    def clear(self) -> None:
        """Forgets what was read, and keeps the memory."""
        self.length = 0
