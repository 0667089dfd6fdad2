"""The worked example as values: each step computed by hand, held against the forward pass, and explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from llm_core.walkthrough.words import STEPS, Wording

if TYPE_CHECKING:
    from llm_core.walkthrough.by_hand import Array
    from llm_core.walkthrough.model import TinyModel

TOLERANCE = 1e-5
"""How far a number by hand may be from the model's own."""


@dataclass(frozen=True)
class Table:
    """A matrix with a name for each row and column; a vector is one column, a number one cell."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    """Row by row; None: minus infinity, which a mask puts there and JSON cannot say."""


@dataclass(frozen=True)
class Step:
    """One step on the way from text to loss."""

    name: str
    title: Mapping[str, str]
    """By language, ``"en"`` and ``"zh"``, as `explanation`."""
    formula: str
    """LaTeX, without delimiters."""
    explanation: Mapping[str, str]
    tensors: Mapping[str, Table]
    """By name in LaTeX; those of a head carry its number, as in ``Q_1``."""


def walk(sentence: str | Sequence[str] = "zh") -> tuple[Step, ...]:
    """The steps of a sentence, from characters to cross-entropy.

    Args:
        sentence: ``"zh"`` or ``"en"`` for the example, a text, or words; a text of one language's vocabulary.

    Raises:
        AssertionError: A number by hand differs from the model's own by more than `TOLERANCE`.
        InputError: A word is in neither vocabulary, or there are too many.
    """
    from llm_core.walkthrough.by_hand import computed
    from llm_core.walkthrough.forward import observed
    from llm_core.walkthrough.model import SENTENCES

    text = sentence if isinstance(sentence, str) else " ".join(sentence)
    example = text in SENTENCES
    line = SENTENCES[text][0] if example else text
    tiny, words = _understood(line, [text] if example else list(SENTENCES))
    if example:
        words = words[:-1]
    known = [tiny.vocabulary.index(word) for word in words]
    targets = [*known[1:], *([len(tiny.vocabulary) - 1] if words[-1] != tiny.vocabulary[-1] else [])]
    weights = {name: tensor.double().numpy() for name, tensor in tiny.model.state_dict().items()}
    config = tiny.model.config
    by_hand = computed(weights, known, targets, config.num_heads, config.norm_eps)
    compare(by_hand, observed(tiny.model, known, targets))
    return tuple(_step(wording, by_hand, words, [tiny.vocabulary[i] for i in targets], tiny) for wording in STEPS)


def _understood(text: str, languages: Sequence[str]) -> tuple[TinyModel, tuple[str, ...]]:
    """The model that knows the text's first word, and the words."""
    from llm_core.walkthrough.model import tiny_model

    models = [tiny_model(language) for language in languages]
    tiny = next((tiny for tiny in models if text.lstrip().startswith(tiny.vocabulary)), models[-1])
    return tiny, tiny.segment(text)


def compare(by_hand: Mapping[str, Array], model: Mapping[str, Array]) -> None:
    """Holds every number of the model's forward pass against the one by hand.

    Raises:
        AssertionError: One differs by more than `TOLERANCE`; the first such tensor is named.
    """
    import numpy as np

    for name, ours in by_hand.items():
        if name not in model:
            continue
        theirs = model[name]
        if ours.shape != theirs.shape or not np.allclose(ours, theirs, rtol=0, atol=TOLERANCE):
            raise AssertionError(f"{name} by hand is not what the model computes")


def _step(
    wording: Wording, values: Mapping[str, Array], words: Sequence[str], targets: Sequence[str], tiny: TinyModel
) -> Step:
    labels = _Labels(tuple(words), tuple(targets), tiny.vocabulary)
    tensors: dict[str, Table] = {}
    for name in wording.tensors:
        value = values[name]
        if value.ndim == 3:
            tensors |= {f"{wording.tensors[name]}_{n + 1}": labels.table(name, head) for n, head in enumerate(value)}
        else:
            tensors[wording.tensors[name]] = labels.table(name, value)
    return Step(wording.name, wording.title, wording.formula, wording.explanation, tensors)


@dataclass(frozen=True)
class _Labels:
    words: tuple[str, ...]
    targets: tuple[str, ...]
    vocabulary: tuple[str, ...]

    def table(self, name: str, value: Array) -> Table:
        """A tensor of at most two axes with the names of its rows and columns."""
        rows, columns = self.words, tuple(str(i + 1) for i in range(value.shape[-1] if value.ndim == 2 else 1))
        if name == "mean loss":
            rows = columns = ("",)
        elif name == "loss":
            rows = tuple(f"{word} → {target}" for word, target in zip(self.words, self.targets, strict=False))
        if name in ("ids", "loss"):
            columns = ("",)
        elif name in ("scores", "masked", "A"):
            columns = self.words
        elif name in ("logits", "p"):
            columns = self.vocabulary
        return Table(rows, columns, _cells(value.reshape(len(rows), len(columns))))


def _cells(value: Array) -> tuple[tuple[float | None, ...], ...]:
    return tuple(tuple(None if cell == float("-inf") else float(cell) for cell in row) for row in value.tolist())


def to_json(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Steps as plain values for `json.dumps`."""
    return [asdict(step) for step in steps]


def from_json(values: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    """What `to_json` gave, after a way through JSON."""
    return tuple(
        Step(**{**value, "tensors": {name: _table(table) for name, table in value["tensors"].items()}})
        for value in values
    )


def _table(value: Mapping[str, Any]) -> Table:
    return Table(tuple(value["rows"]), tuple(value["columns"]), tuple(tuple(row) for row in value["values"]))
