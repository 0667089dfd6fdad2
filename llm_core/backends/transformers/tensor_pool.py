"""One copy of equal weights: models adapted from one base share what they did not change.

Of MiniLM's 22.7M parameters 11.9M are the embedding table, which no adapter touches. Tensors are shared by content
(SHA-256 of their bytes), so it does not matter which model is loaded first, which leaves first, or how the weights
got there. Shared weights must not be written to.
"""

from __future__ import annotations

import hashlib
import threading
import weakref
from dataclasses import dataclass

import torch
from torch import nn

MIN_SHARED_BYTES = 1 << 12
"""Smaller tensors are not worth their digest."""

_Key = tuple[bytes, torch.dtype, torch.layout, torch.Size, str]


@dataclass
class _Entry:
    tensor: nn.Parameter
    holders: int = 0


class TensorPool:
    """Shares equal parameters between the models of a process; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # re-entrant: a garbage collection inside the lock may release a model
        self._entries: dict[_Key, _Entry] = {}

    def adopt(self, model: nn.Module, device: str) -> Holding:
        """Move a model in evaluation to `device`, taking each weight from the pool when it is there already.

        Args:
            model: Its parameters are replaced in place, and need no gradient afterwards.
            device: torch device.
        """
        keys: list[_Key] = []
        own_bytes = sum(buffer.nbytes for buffer in model.buffers())
        for module in model.modules():
            for name, parameter in list(module.named_parameters(recurse=False)):
                parameter.requires_grad_(False)
                if parameter.nbytes < MIN_SHARED_BYTES:
                    own_bytes += parameter.nbytes
                    continue
                key = _key(parameter, device)
                setattr(module, name, self._hold(key, parameter))
                keys.append(key)
        model.to(device)
        holding = Holding(self, tuple(keys), own_bytes)
        weakref.finalize(model, holding.release)
        return holding

    def bytes_of(self, keys: tuple[_Key, ...]) -> int:
        """The holder's part of the bytes of shared tensors: each is split evenly between its holders."""
        with self._lock:
            entries = [self._entries[key] for key in keys]
            return sum(entry.tensor.nbytes // entry.holders for entry in entries)

    def release(self, keys: tuple[_Key, ...]) -> None:
        """Give tensors back; the last holder's leave the pool."""
        with self._lock:
            for key in keys:
                entry = self._entries[key]
                entry.holders -= 1
                if entry.holders == 0:
                    del self._entries[key]

    def _hold(self, key: _Key, parameter: nn.Parameter) -> nn.Parameter:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                entry = _Entry(nn.Parameter(parameter.detach().to(key[-1]), requires_grad=False))
                self._entries[key] = entry
            entry.holders += 1
            return entry.tensor


class Holding:
    """What one model holds of a pool.

    Args:
        pool: The pool.
        keys: Its shared tensors.
        own_bytes: Bytes of the model's tensors that are not shared.
    """

    def __init__(self, pool: TensorPool, keys: tuple[_Key, ...], own_bytes: int) -> None:
        self._pool = pool
        self._keys = keys
        self._own_bytes = own_bytes

    @property
    def nbytes(self) -> int:
        """Bytes of the model; over all models of the pool they add up to what is really held."""
        return self._own_bytes + self._pool.bytes_of(self._keys)

    def release(self) -> None:
        """Give the shared tensors back; calling it again does nothing."""
        keys, self._keys, self._own_bytes = self._keys, (), 0
        self._pool.release(keys)


def _key(parameter: nn.Parameter, device: str) -> _Key:
    plain = parameter.detach().to_dense() if parameter.is_mkldnn else parameter.detach()
    content = plain.cpu().contiguous().view(torch.uint8).numpy()
    return hashlib.sha256(content.data).digest(), parameter.dtype, parameter.layout, parameter.shape, device


POOL = TensorPool()
"""The process's pool. It holds weights only, never anything of a request."""
