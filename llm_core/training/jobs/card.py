"""The README of a classifier that a visitor trained: what it is, how good, how to use it, what it is not for.

Labels are the visitor's own words: they are written as code, so that nothing in them is read as Markdown or YAML.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from llm_core.evaluation.bootstrap import Interval
from llm_core.training.jobs.job import MAX_TOKENS, Job
from llm_core.training.jobs.report import LabelFigures, Report

_TEMPLATE = """\
---
base_model: {base}
library_name: {library}
pipeline_tag: text-classification
language: [{languages}]
---
# {title}

Fine-tuned from `{base}` ({licence}) on {rows} labelled texts of its trainer's own.

- **Labels**: {labels}
- **Tuning**: {tuning}; {trained:,} of {parameters:,} parameters
- **Training**: {steps:,} steps, {tokens:,} tokens read, {seconds:.0f} s on {threads} CPU threads

## Scores
Measured on the shipped files, on the {validation} texts that were kept out of training; in brackets 95 % intervals,
where there are texts enough.

| metric | value |
|---|--:|
| accuracy | {accuracy} |
| macro F1 | {macro_f1} |

| label | rows | precision | recall | F1 |
|---|--:|--:|--:|--:|
{by_label}

The label probabilities are calibrated: divide the logits by `temperature` of `calibration.json` before the softmax.

## Use
```python
{use}
```

## Recipe
{recipe}

## Limits
Learnt from {train} texts: it knows these labels only, and gives every text one of them. Texts beyond {max_tokens}
tokens were cut while it learned. Scores on {validation} texts are rough, and say nothing of others. The
training texts and their licence are the trainer's; nobody else has looked at them.
"""
_TUNINGS = {
    "linear_probe": "a linear probe: the head alone is trained",
    "lora": "LoRA of rank {rank} on every linear layer{merged}",
    "full": "full fine-tuning",
}
_USE_MODEL = """\
from transformers import pipeline

classify = pipeline("text-classification", "FOLDER_OR_REPOSITORY", top_k=None)
print(classify("…"))"""
_USE_ADAPTER = """\
from peft import PeftModel
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, pipeline

place = "FOLDER_OR_REPOSITORY"
base = AutoModelForSequenceClassification.from_pretrained("{base}", config=AutoConfig.from_pretrained(place))
model = PeftModel.from_pretrained(base, place).merge_and_unload()
classify = pipeline("text-classification", model, tokenizer=AutoTokenizer.from_pretrained(place), top_k=None)
print(classify("…"))"""


def job_card(job: Job, report: Report) -> str:
    """The card as Markdown.

    Args:
        job: What was trained.
        report: What came out.
    """
    recipe, division, scores, training = job.recipe(), job.division, report.scores, report.training
    adapter = recipe.tuning.ship == "adapter"
    merged = "" if adapter else ", merged into the base"
    optim = recipe.optim
    return _TEMPLATE.format(
        base=job.base.name,
        library="peft" if adapter else "transformers",
        languages=", ".join(job.base.languages),
        title=recipe.title,
        licence=job.base.licence,
        rows=len(job.examples),
        labels=", ".join(_code(label) for label in job.labels),
        tuning=_TUNINGS[job.tuning].format(rank=recipe.tuning.rank, merged=merged),
        trained=training.trained,
        parameters=training.parameters,
        steps=training.steps,
        tokens=training.tokens,
        seconds=training.seconds,
        threads=training.threads,
        train=len(division.train),
        validation=len(division.validation),
        accuracy=_shown(scores["accuracy"].value, scores["accuracy"].interval),
        macro_f1=_shown(scores["macro_f1"].value, report.macro_f1_interval),
        by_label="\n".join(_row(figures) for figures in report.by_label),
        use=_USE_ADAPTER.format(base=job.base.name) if adapter else _USE_MODEL,
        recipe=f"`recipe.toml`: batches of {optim.batch_size}, AdamW, peak learning rate {optim.learning_rate:g} "
        f"({optim.schedule}), seed {optim.seeds[0]}, computed in {training.number_format}.",
        max_tokens=MAX_TOKENS,
    )


def _row(figures: LabelFigures) -> str:
    precision = "–" if figures.precision is None else f"{figures.precision:.2f}"
    f1 = _shown(figures.f1, figures.f1_interval)
    cells: Sequence[str] = (_code(figures.label), str(figures.rows), precision, f"{figures.recall:.2f}", f1)
    return f"| {' | '.join(cells)} |"


def _shown(value: float, interval: Interval | None) -> str:
    return f"{value:.2f}" if interval is None else f"{value:.2f} [{interval[0]:.2f}, {interval[1]:.2f}]"


def _code(label: str) -> str:
    """A label as inline code that ends neither the code nor a cell of a table."""
    plain = json.dumps(label, ensure_ascii=False)[1:-1].replace("`", "'").replace("|", "¦")
    return f"`{plain}`"
