"""The tiny models of the worked example, one a language, and the sentences that they learn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import chain

import torch
from torch.nn.functional import cross_entropy

from llm_core.errors import InputError
from llm_core.model.config import preset
from llm_core.model.heads import CausalLM

HIDDEN, HEADS, WIDTH, LONGEST = 8, 2, 16, 8
"""Hidden size, attention heads, feed-forward width, longest sentence in words."""
SENTENCES = {
    "zh": (
        "我 喜欢 吃 水果 。",
        "我 喜欢 喝 茶 。",
        "我 喜欢 看 书 。",
        "她 喜欢 吃 面条 。",
        "她 喜欢 喝 咖啡 。",
        "她 喜欢 看 电影 。",
    ),
    "en": (
        "I like eating fruit .",
        "I like drinking tea .",
        "I like reading books .",
        "she likes eating noodles .",
        "she likes drinking coffee .",
        "she likes reading poems .",
    ),
}
"""What each model learns; the first, without its full stop, is the example."""
_STEPS, _RATE = 120, 0.02


@dataclass(frozen=True)
class TinyModel:
    """A trained model, in double precision so that rounding hides no mistake, and its vocabulary."""

    language: str
    vocabulary: tuple[str, ...]
    """Words by id; the last is the full stop."""
    model: CausalLM

    def segment(self, text: str) -> tuple[str, ...]:
        """Words of a text, from the left and each as long as the vocabulary has it; blanks only separate.

        Raises:
            InputError: Some of the text is no word, there are no words, more than `LONGEST`, or just a full stop.
        """
        words: list[str] = []
        while text := text.lstrip():
            fitting = [word for word in self.vocabulary if text.startswith(word)]
            if not fitting:
                raise InputError("sentence", f"must be made of: {' '.join(self.vocabulary)}", text)
            words.append(max(fitting, key=len))
            text = text[len(words[-1]) :]
        if not 1 <= len(words) <= LONGEST:
            raise InputError("sentence", f"must have 1 to {LONGEST} words", len(words))
        if words == [self.vocabulary[-1]]:
            raise InputError("sentence", "must be more than a full stop", words[0])
        return tuple(words)


@cache
def tiny_model(language: str) -> TinyModel:
    """The model of ``"zh"`` or ``"en"``, trained on its first use; always the same, and torch's seed is left alone."""
    rows = [sentence.split() for sentence in SENTENCES[language]]
    vocabulary = (*dict.fromkeys(word for word in chain(*rows) if word != rows[0][-1]), rows[0][-1])
    ids = torch.tensor([[vocabulary.index(word) for word in row] for row in rows])
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        model = _fresh(len(vocabulary))
        optimizer = torch.optim.Adam(model.parameters(), lr=_RATE)
        for _ in range(_STEPS):
            loss = cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return TinyModel(language, vocabulary, model.eval().requires_grad_(False).double())


def _fresh(vocab_size: int) -> CausalLM:
    """Marian's choices without an encoder are the decoder of the first paper."""
    return CausalLM(
        preset(
            "marian",
            vocab_size=vocab_size,
            hidden_size=HIDDEN,
            intermediate_size=WIDTH,
            num_heads=HEADS,
            decoder_layers=1,
            max_positions=LONGEST,
            activation="relu",
            initializer_range=0.3,
            decoder_start_token_id=0,
        )
    )
