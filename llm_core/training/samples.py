"""Showcases: what a model makes of a few inputs at several steps of its training, kept so that a page can replay it.

Decoding is greedy and draws no random number, so looking changes nothing in the training. `sample_file` says what is
written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from llm_core.model.cache import KeyValueCache
from llm_core.model.heads import CausalLM, MaskedLM, Model, Seq2SeqLM
from llm_core.training.recipe_parts import Samples
from llm_core.training.sample_file import keep_until


class Sampler(TrainerCallback):
    """Writes `sample_file.FILE` into the run folder.

    Args:
        wanted: Inputs and steps.
        model: The model in training, not wrapped.
        tokenizer: Of the model.
        file: Where lines are appended.
    """

    def __init__(self, wanted: Samples, model: Model, tokenizer: Any, file: Path) -> None:
        self.wanted, self.model, self.tokenizer, self.file = wanted, model, tokenizer, file

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Drops what a killed run wrote after the checkpoint; looks at the untrained model."""
        if state.is_world_process_zero:
            keep_until(self.file, state.global_step)
        if state.global_step == 0:
            self._look(state)

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Looks when it is time."""
        if is_due(state.global_step, self.wanted.steps) or state.global_step == state.max_steps:
            self._look(state)

    def _look(self, state: Any) -> None:
        outputs = outputs_of(self.model, self.tokenizer, self.wanted)  # every process: a sharded model needs all
        if not state.is_world_process_zero:
            return
        loss = next((entry["loss"] for entry in reversed(state.log_history) if "loss" in entry), None)
        with self.file.open("a", encoding="utf-8") as stream:
            for text, output in zip(self.wanted.inputs, outputs, strict=True):
                line = {"step": state.global_step, "loss": loss, "input": text, "output": output}
                stream.write(json.dumps(line, ensure_ascii=False) + "\n")


def is_due(step: int, steps: Iterable[int]) -> bool:
    """Whether to look at this step: one of `steps`; without any, a power of two."""
    return step in steps if steps else step & (step - 1) == 0


@torch.no_grad()
def outputs_of(model: Model, tokenizer: Any, wanted: Samples) -> list[Any]:
    """The output for each input; the model's mode is left as it was."""
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    try:
        return [_output(model, tokenizer, text, wanted, device) for text in wanted.inputs]
    finally:
        model.train(training)


def _output(model: Model, tokenizer: Any, text: str, wanted: Samples, device: torch.device) -> Any:
    ids = torch.tensor([tokenizer(text)["input_ids"]], device=device)
    if isinstance(model, MaskedLM):
        return list(_guesses(model(ids, logit_positions=ids == tokenizer.mask_token_id), tokenizer, wanted.guesses))
    assert isinstance(model, CausalLM | Seq2SeqLM), "only language models give samples"
    if isinstance(model, CausalLM) and ids[0, -1] == tokenizer.eos_token_id and ids.shape[1] > 1:
        ids = ids[:, :-1]
    room = min(wanted.new_tokens, model.config.max_positions - (ids.shape[1] if isinstance(model, CausalLM) else 1))
    return tokenizer.decode(list(greedy(model, ids, room)), skip_special_tokens=True)


def _guesses(logits: torch.Tensor, tokenizer: Any, count: int) -> Iterator[list[tuple[str, float]]]:
    for row in logits.float().softmax(-1):
        chances, ids = row.topk(count)
        pieces = tokenizer.convert_ids_to_tokens(ids.tolist())
        yield [(piece, round(chance, 4)) for piece, chance in zip(pieces, chances.tolist(), strict=True)]


def greedy(model: CausalLM | Seq2SeqLM, ids: torch.Tensor, room: int) -> Iterator[int]:
    """The most probable token, again and again.

    Not `inference.generate`: that runs in torch's inference mode, which a model in training, perhaps sharded, must not.
    A sharded model has its weights only inside its own `forward`, so the encoder runs again for each token.
    """
    cache, translates = KeyValueCache(model.config.decoder_layers), isinstance(model, Seq2SeqLM)
    fresh = torch.full_like(ids[:, :1], model.config.decoder_start_token_id or 0) if translates else ids
    for _ in range(room):
        if translates:
            logits = model(ids, decoder_input_ids=fresh, cache=cache, last_only=True)
        else:
            logits = model(fresh, cache=cache, last_only=True)
        fresh = logits[:, -1].argmax(-1, keepdim=True)
        token = int(fresh)
        if token == model.config.eos_token_id:
            return
        yield token
