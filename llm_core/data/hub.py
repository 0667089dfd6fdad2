"""The Hub's data sets under our names, their columns renamed into our fields.

They serve when no local folder holds the set; the task is the same, the rows differ from a local pack's.
Only data sets whose identifier and columns are known stand here. The module knows nothing of files or models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from llm_core.data.files import Row
from llm_core.errors import ModelUnavailableError

Names = tuple[str, ...]
"""Label names in the order of the Hub's integer labels."""
Renaming = Callable[[Row, Names], Row]
"""A Hub row and its label names, to a row in our fields."""


@dataclass(frozen=True)
class HubDataset:
    """Where the Hub keeps a data set, and how its columns become ours."""

    hub_id: str
    config: str | None = None
    rename: Renaming = lambda row, names: row
    splits: tuple[str, str] = ("train", "validation")
    """The Hub's names of our train and validation split."""
    label: str = "label"
    """The column whose integers `label_names` names."""
    label_names: Names = ()
    """Our label names in the order of the Hub's integer labels; empty: the Hub's own names."""


def labelled(*columns: str, label: str = "label") -> Renaming:
    """Columns that, joined by a blank, make our `text`, and an integer label."""

    def rename(row: Row, names: Names) -> Row:
        return {"text": " ".join(str(row[c]).strip() for c in columns), "label": names[int(row[label])]}

    return rename


def squad(source: str) -> Renaming:
    """SQuAD's columns; its answers are two parallel lists."""

    def rename(row: Row, names: Names) -> Row:
        found = zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True)
        answers = [{"text": text, "answer_start": int(start)} for text, start in found]
        kept = {field: row[field] for field in ("id", "context", "question")}
        return {**kept, "answers": answers, "source": source}

    return rename


def tagged(row: Row, names: Names) -> Row:
    """Words and the integers of their tags."""
    return {"tokens": list(row["tokens"]), "tags": [names[int(tag)] for tag in row["ner_tags"]]}


def translated(source: str) -> Renaming:
    """A pair of languages, in a `translation` column or in columns of their own."""

    def rename(row: Row, names: Names) -> Row:
        return {**row.get("translation", row), "source": source}

    return rename


_POLAR = ("negative", "positive")
_TNEWS = (
    "story culture entertainment sports finance house car edu tech military travel world stock agriculture game"
).split()
HUB_DATASETS: Mapping[str, HubDataset] = {
    "sst2": HubDataset("stanfordnlp/sst2", rename=labelled("sentence"), label_names=_POLAR),
    "movie_review_mr": HubDataset(
        "cornell-movie-review-data/rotten_tomatoes", rename=labelled("text"), label_names=_POLAR
    ),
    "tweet_sentiment": HubDataset(
        "cardiffnlp/tweet_eval", "sentiment", labelled("text"), label_names=("negative", "neutral", "positive")
    ),
    "tweet_emotion": HubDataset("cardiffnlp/tweet_eval", "emotion", labelled("text")),
    "tweet_irony": HubDataset("cardiffnlp/tweet_eval", "irony", labelled("text")),
    "tweet_offensive": HubDataset(
        "cardiffnlp/tweet_eval", "offensive", labelled("text"), label_names=("not-offensive", "offensive")
    ),
    "ag_news": HubDataset(
        "fancyzhx/ag_news",
        rename=labelled("text"),
        splits=("train", "test"),
        label_names=("World", "Sports", "Business", "Sci/Tech"),
    ),
    "dbpedia14": HubDataset("fancyzhx/dbpedia_14", rename=labelled("content"), splits=("train", "test")),
    "sms_spam": HubDataset(
        "ucirvine/sms_spam", rename=labelled("sms"), splits=("train", "train"), label_names=("ham", "spam")
    ),
    "chnsenticorp": HubDataset("lansinuote/ChnSentiCorp", rename=labelled("text"), label_names=_POLAR),
    "tnews": HubDataset("clue/clue", "tnews", labelled("sentence"), label_names=tuple(_TNEWS)),
    "qa_en": HubDataset("rajpurkar/squad_v2", rename=squad("squad2.0")),
    "qa_zh": HubDataset("hfl/cmrc2018", rename=squad("cmrc2018")),
    "ner_en_wikiann": HubDataset("unimelb-nlp/wikiann", "en", tagged, label="ner_tags"),
    "ner_zh_wikiann": HubDataset("unimelb-nlp/wikiann", "zh", tagged, label="ner_tags"),
    "translation_en_zh_general": HubDataset("Helsinki-NLP/opus-100", "en-zh", translated("opus-100")),
    "translation_en_de": HubDataset("bentrevett/multi30k", rename=translated("multi30k")),
    "wikitext_en": HubDataset("Salesforce/wikitext", "wikitext-2-raw-v1"),
    "tinystories_en": HubDataset("roneneldan/TinyStories"),
}
"""Public data sets of the same task, for when no folder is given."""


def hub_rows(name: str, split: str, streaming: bool) -> Iterator[Row]:
    """Rows of a Hub data set in our fields; empty texts are left out.

    Args:
        name: Our name of it, a key of `HUB_DATASETS`.
        split: ``"train"`` or ``"validation"``.
        streaming: Read over the network row by row, rather than fetch it to the disk first.

    Raises:
        ModelUnavailableError: The name is not known, or the Hub cannot give it.
    """
    source = HUB_DATASETS.get(name)
    remedy = f"put {name}/{split}.jsonl into a folder and name it by --data-dir or LLM_CORE_DATA_DIR"
    if source is None:
        raise ModelUnavailableError(name, f"no local {split} file, and the Hub's name for it is not known", remedy)
    try:
        import datasets

        part = source.splits[0 if split == "train" else 1]
        table = datasets.load_dataset(source.hub_id, source.config, split=part, streaming=streaming)
    except (ImportError, OSError, ValueError) as error:
        raise ModelUnavailableError(name, f"the Hub could not give {source.hub_id}: {error}", remedy) from error
    return _renamed(table, source)


def _renamed(table: Any, source: HubDataset) -> Iterator[Row]:
    names = source.label_names or _label_names(table, source)
    renamed = (source.rename(dict(row), names) for row in table)
    return (row for row in renamed if row.get("text") != "")


def _label_names(table: Any, source: HubDataset) -> Names:
    feature = (table.features or {}).get(source.label)
    feature = getattr(feature, "feature", feature)  # a list of tags holds the names one level down
    return tuple(getattr(feature, "names", ()))
