"""The runtime that is our own Transformer, `llm_core.model`: slow, and open to the last number.

It opens language models of the three families in the Hub's layout with the vocabularies of `llm_core.tokenizer`, which
is what this project trains; the weights are float32, whatever the file has. torch is imported when the first model is
opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llm_core.backends.base import ForwardPass, LoadedModel, ModelFiles, Reading
from llm_core.backends.languages import target_token
from llm_core.backends.pieces import piece_spans
from llm_core.catalog import ModelSpec
from llm_core.errors import BackendError, InputError
from llm_core.hardware import available_cores, configure_torch, default_device
from llm_core.tokenizer import Piece, Tokenizer
from llm_core.types import CancelToken, Sampling

if TYPE_CHECKING:
    from torch import Tensor

    from llm_core.inference.tracing import LanguageModel, StackTrace


class OwnBackend:
    """Opens entries whose `backend` is ``"own"``.

    Args:
        threads: CPU threads of torch; default: the cores this container has.
        device: torch device, such as ``"cuda"``; default: the best there is.
    """

    def __init__(self, threads: int | None = None, device: str | None = None) -> None:
        self._threads = threads or available_cores()
        self._device = device

    def open(self, spec: ModelSpec, files: ModelFiles) -> LoadedModel:
        """Load a model; see `Backend.open`."""
        from llm_core.model.convert import hub
        from llm_core.model.heads import CausalLM, MaskedLM, Seq2SeqLM

        kinds: dict[str, Any] = {"causal_lm": CausalLM, "masked_lm": MaskedLM, "seq2seq": Seq2SeqLM}
        if spec.head not in kinds:
            raise BackendError(f"our own runtime has no loader for head {spec.head!r}")
        configure_torch(self._threads)
        device = self._device or default_device()
        model = hub.load(files.directory, kinds[spec.head]).to(device)
        return OwnModel(spec, model, Tokenizer.load(files.directory), device)


class OwnModel:
    """A language model in memory; see `backends.base.Traces`."""

    def __init__(self, spec: ModelSpec, model: LanguageModel, tokenizer: Tokenizer, device: str) -> None:
        self.spec = spec
        self.device = device
        self.memory_bytes = sum(each.numel() * each.element_size() for each in model.parameters())
        self._model = model
        self._tokenizer = tokenizer
        self._vocabulary = tuple(entry.piece for entry in tokenizer.vocabulary)

    def close(self) -> None:
        """Free the memory; the model is not used afterwards."""
        del self._model

    def trace(self, text: str, max_pieces: int, cancel: CancelToken, target: str | None = None) -> ForwardPass:
        """See `Traces.trace`."""
        from llm_core.inference.tracing import traced

        pieces = self._pieces(text, target)
        if len(pieces) > max_pieces:
            rule = f"must have at most {max_pieces} pieces here, so that every number can be shown"
            raise InputError("text", f"{rule}; with start and end it has {len(pieces)}")
        cancel.check()
        ids_T = self._tensor([piece.id for piece in pieces])
        read, said = pieces, text
        if self.spec.head == "seq2seq":
            read = self._written(ids_T, max_pieces, cancel)
            said = self._tokenizer.decode([piece.id for piece in read])
        found = traced(self._model, ids_T, self._tensor([piece.id for piece in read]))
        return ForwardPass(
            encoder=None if found.encoder is None else _reading(text, pieces, found.encoder),
            decoder=None if found.decoder is None else _reading(said, read, found.decoder),
            cross_attention=None if found.cross_LNTS is None else _array(found.cross_LNTS),
            logits=_array(found.logits_LTV),
            vocabulary=self._vocabulary,
            mask_id=self._tokenizer.mask_id,
        )

    def _pieces(self, text: str, target: str | None) -> tuple[Piece, ...]:
        pieces = self._tokenizer.pieces(text, add_special_tokens=True)
        tag = target_token(target, self._vocabulary) if target else None
        tag_id = self._tokenizer.token_id(tag)
        return pieces if tag is None or tag_id is None else (Piece(tag, tag_id, 0, 0, None), *pieces)

    def _written(self, ids_T: Tensor, max_pieces: int, cancel: CancelToken) -> tuple[Piece, ...]:
        """The likeliest translation as its decoder reads it: the start token, then its pieces without the end."""
        from llm_core.inference.generate import generate

        config = self._model.config
        room = min(max_pieces, config.max_positions) - 1
        sampling = Sampling(max_new_tokens=room, temperature=0, repeat_penalty=1.0)
        steps = generate(self._model, ids_T[None], sampling=sampling, cancel=cancel)  # type: ignore[arg-type]
        ids = [int(step.tokens[0]) for step in steps]
        start = config.decoder_start_token_id
        assert start is not None
        ids = [start, *(token for token in ids if token != config.eos_token_id)]
        names = [self._vocabulary[token] for token in ids]
        spans = piece_spans(self._tokenizer.decode(ids), ["", *names[1:]])
        return tuple(Piece(name, token, *span, None) for name, token, span in zip(names, ids, spans, strict=True))

    def _tensor(self, ids: list[int]) -> Tensor:
        import torch

        return torch.tensor(ids, device=self.device)


def _reading(text: str, pieces: tuple[Piece, ...], trace: StackTrace) -> Reading:
    return Reading(pieces, text, _array(trace.hidden_LTD), _array(trace.attention_LNTT))


def _array(tensor: Tensor) -> Any:
    return tensor.float().cpu().numpy()
