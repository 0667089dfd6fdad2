"""Keys and values of the tokens already read, so that each new token costs one step (arXiv:2211.05102)."""

# Shape suffix legend
#   B = batch, K = key/value heads, T = new tokens, S = all tokens so far, H = head dimension

from __future__ import annotations

from torch import Tensor


class LayerCache:
    """Keys and values of one layer.

    Args:
        capacity: Tokens to lay out memory for (a static cache); None: grow, by doubling.
    """

    def __init__(self, capacity: int | None = None) -> None:
        self.capacity, self.length = capacity, 0
        self.stored: tuple[Tensor, Tensor] | None = None
        self.memory: tuple[Tensor, Tensor] | None = None
        """Keys and values of the encoder's output for cross-attention, computed once."""

    def extend(self, k_BKTH: Tensor, v_BKTH: Tensor) -> tuple[Tensor, Tensor]:
        """Adds the new tokens; returns keys and values of all tokens so far, (B, K, S, H) each.

        Raises:
            ValueError: They do not fit the capacity.
        """
        start, self.length = self.length, self.length + k_BKTH.shape[2]
        if self.capacity is not None and self.length > self.capacity:
            raise ValueError(f"{self.length} tokens exceed the cache's capacity ({self.capacity})")
        if self.stored is None or self.stored[0].shape[2] < self.length:
            self.stored = self._roomier(k_BKTH, start), self._roomier(v_BKTH, start, which=1)
        for stored, new in zip(self.stored, (k_BKTH, v_BKTH), strict=True):
            stored[:, :, start : self.length] = new
        return self.stored[0][:, :, : self.length], self.stored[1][:, :, : self.length]

    def _roomier(self, new: Tensor, start: int, which: int = 0) -> Tensor:
        B, K, _, H = new.shape
        room = new.new_empty(B, K, self.capacity or 2 * self.length, H)
        if self.stored is not None:
            room[:, :, :start] = self.stored[which][:, :, :start]
        return room

    def reorder(self, rows: Tensor, memory: bool = True) -> None:
        """Row i becomes what row ``rows[i]`` was, as beam search needs; beams of one text share `memory`."""
        if self.stored is not None:
            self.stored = self.stored[0][rows], self.stored[1][rows]
        if memory and self.memory is not None:
            self.memory = self.memory[0][rows], self.memory[1][rows]


class KeyValueCache:
    """One `LayerCache` a decoder layer; see there for `capacity`.

    No list: FSDP2 copies lists among a model's arguments to cast the tensors in them.
    """

    def __init__(self, layers: int, capacity: int | None = None) -> None:
        self.layers = [LayerCache(capacity) for _ in range(layers)]

    def __getitem__(self, layer: int) -> LayerCache:
        """Of one decoder layer."""
        return self.layers[layer]

    @property
    def length(self) -> int:
        """Tokens held."""
        return self.layers[0].length

    def reorder(self, rows: Tensor, memory: bool = True) -> None:
        """See `LayerCache.reorder`."""
        for layer in self.layers:
            layer.reorder(rows, memory)
