"""The command line: the same tasks, models and trainings without the page.

    python -m llm_core run TASK      JSON lines in, JSON lines out; or a table in, a table out
    python -m llm_core models        the catalogue, what is available and why not
    python -m llm_core pull ID       fetch a model's files
    python -m llm_core train RECIPE  reproduce a trained model
    python -m llm_core evaluate ID   measure a model on a data set
    python -m llm_core bench         measured ratios as tables
    python -m llm_core walkthrough   a sentence through a tiny Transformer, number by number
    python -m llm_core feedback FILE visitors' votes on answers, summed up
    python -m llm_core deploy        the page on a Hugging Face Space

Commands only parse, call and print; what they do lives in the modules they call, imported when a command needs them.
"""

from __future__ import annotations

import json
import logging
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Column, Table

from llm_core.deploy import command as deploy_command
from llm_core.errors import LlmCoreError
from llm_core.settings import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(deploy_command.app, name="deploy")

ModelOption = Annotated[str, typer.Option("--model", help="Catalogue id; auto takes the first that is available.")]
InputOption = Annotated[Path | None, typer.Option("--input", help="JSON lines to read; standard input by default.")]
OutputOption = Annotated[Path | None, typer.Option("--output", help="File to write; standard output by default.")]
DataDirOption = Annotated[Path | None, typer.Option("--data-dir", help="Folder of data sets; default: the Hub's.")]


@app.command()
def run(
    task: Annotated[
        str,
        typer.Argument(
            help="classify, sentiment, translate, answer, entities, complete, generate, poem, under_the_hood or explain"
        ),
    ],
    table: Annotated[
        Path | None,
        typer.Argument(help="Table to read instead (.csv, .tsv, .xlsx, .txt, .jsonl); its answers are written as CSV."),
    ] = None,
    model: ModelOption = "auto",
    input: InputOption = None,
    output: OutputOption = None,
    column: Annotated[
        list[str] | None, typer.Option(help="Of a table: COLUMN with the text, or FIELD=COLUMN; guessed by default.")
    ] = None,
    truth: Annotated[str | None, typer.Option(help="Of a table: the column with the right answers.")] = None,
    field: Annotated[list[str] | None, typer.Option(help="Of a table: FIELD=VALUE for all rows, as target=zh.")] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Of a table: ray spreads blocks of rows over workers.")
    ] = "local",
    workers: Annotated[int | None, typer.Option(min=1, help="Of ray; default: one a core.")] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="Of JSON lines: address of another instance of this app that answers them.")
    ] = None,
) -> None:
    """Run a task over JSON lines, or over a table. A bad line gives {"error", "line"} in its place, a bad row has its
    error in a column; the exit status is 1 at the end."""
    from llm_core.tasks import find_task

    chosen = find_task(task)
    if table is None and (column or truth or field):
        raise typer.BadParameter("--column, --truth and --field need a table")
    if (table is None and engine == "ray") or (table is not None and endpoint is not None):
        raise typer.BadParameter("--engine ray needs a table, --endpoint needs JSON lines")
    of_table: dict[str, Any] = {"columns": column or (), "truth": truth, "fields": field or ()}
    if endpoint is not None:
        from llm_core.at_endpoint import run_jsonl_at

        failures = run_jsonl_at(endpoint, chosen, model, input, output)
    elif table is not None and engine == "ray":
        from llm_core.on_ray import run_table_on_ray

        failures = run_table_on_ray(chosen, model, table, output, workers=workers, **of_table)
    else:
        failures = _run_here(chosen, model, table, input, output, of_table)
    raise typer.Exit(1 if failures else 0)


def _run_here(
    task: Any, model: str, table: Path | None, input: Path | None, output: Path | None, of_table: dict[str, Any]
) -> int:
    from llm_core.engine import create_engine
    from llm_core.jsonl import run_jsonl
    from llm_core.tables import run_table

    with closing(create_engine(Settings())) as engine:
        if table is None:
            return run_jsonl(engine, task, model, input, output)
        return run_table(engine, task, model, table, output, **of_table)


@app.command()
def models() -> None:
    """List the catalogue: what each model does, what it costs, whether it can be had here."""
    from llm_core.engine import create_engine

    table = Table(
        Column("id", no_wrap=True),
        "does",
        "parameters · download · licence",
        "available here",
        box=None,
        pad_edge=False,
    )
    with closing(create_engine(Settings())) as engine:
        for spec in engine.catalog.values():
            availability = engine.availability(spec)
            state = "yes" if availability.available else "no"
            size = "remote" if spec.tier == "remote" else f"{spec.download_bytes / 1e6:.1f} MB"
            table.add_row(
                spec.id,
                f"{', '.join(spec.tasks)} ({' '.join(spec.languages[:3])}{' …' if len(spec.languages) > 3 else ''})",
                f"{spec.parameters / 1e6:.1f}M · {size} · {spec.licence}",
                f"{state}: {availability.reason}" if availability.reason else state,
            )
    Console(width=None if sys.stdout.isatty() else 160).print(table)


@app.command()
def feedback(file: Annotated[Path, typer.Argument(help="JSON lines that LLM_CORE_FEEDBACK has named.")]) -> None:
    """Sum up visitors' votes: thumbs by task and model, and the share of thumbs up with its 95 % interval."""
    from llm_core.feedback import read_feedback
    from llm_core.feedback.summary import tallied

    right = [Column(name, justify="right") for name in ("up", "down", "share up", "95 % interval", "comments")]
    table = Table("task", Column("model", no_wrap=True), *right, box=None, pad_edge=False)
    for each in tallied(read_feedback(file)):
        low, high = each.interval
        share, interval = f"{each.share:.1%}", f"{low:.1%} – {high:.1%}"
        names = (each.task or "all", each.model or "all")
        table.add_row(*names, str(each.up), str(each.down), share, interval, str(each.comments))
    Console(width=None if sys.stdout.isatty() else 120).print(table if table.rows else "No votes yet.")


@app.command()
def pull(
    model_ids: Annotated[list[str] | None, typer.Argument(help="Catalogue ids.")] = None,
    embedded: Annotated[bool, typer.Option("--embedded", help="All models of the embedded tier.")] = False,
) -> None:
    """Fetch the files of models and verify them, so that they work without a network."""
    from llm_core.catalog import load_catalog
    from llm_core.weights import WeightStore

    catalog = load_catalog()
    wanted = [catalog[model_id] for model_id in model_ids or ()]
    wanted += [spec for spec in catalog.values() if embedded and spec.tier == "embedded"]
    if not wanted:
        raise typer.BadParameter("name a model, or give --embedded")
    store = WeightStore(Settings(), catalog)
    for spec in wanted:
        typer.echo(f"{spec.id}: {store.files(spec).directory}")


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="Name or path of a recipe, such as qa-en.")],
    data_dir: DataDirOption = None,
    output: Annotated[Path | None, typer.Option("--output", help="Default: models/NAME.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint.")] = True,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="Replace a value, as in optim.learning_rate=1e-3; repeatable.")
    ] = None,
    budget_minutes: Annotated[
        float | None, typer.Option(min=0.1, help="Fit the schedule to this time, whatever the recipe's steps.")
    ] = None,
    on: Annotated[
        Literal["here", "hf-jobs"], typer.Option("--on", help="Where: on this machine, or on Hugging Face Jobs.")
    ] = "here",
    repo: Annotated[str, typer.Option(help="hf-jobs: OWNER/NAME on the Hub, for code and results.")] = "",
    flavor: Annotated[str, typer.Option(help="hf-jobs: hardware, as a10g-small or a100x4.")] = "cpu-basic",
    image: Annotated[str | None, typer.Option(help="hf-jobs: Docker image with uv in it.")] = None,
    timeout: Annotated[str, typer.Option(help="hf-jobs: the job ends after this, as 30m or 4h.")] = "4h",
    secret: Annotated[
        list[str] | None, typer.Option(help="hf-jobs: environment variable to hand on as a secret; repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="hf-jobs: print the files and the call only.")] = False,
) -> None:
    """Train a model as its recipe says; writes weights, card and measured scores."""
    from llm_core.training.recipe import load_recipe

    chosen = load_recipe(recipe, overrides or ())
    if on == "hf-jobs":
        from llm_core.training.hub_jobs import IMAGE, HubJob, named_secrets

        options = ("--budget-minutes", f"{budget_minutes:g}") if budget_minutes else ()
        secrets = named_secrets(secret or ())
        job = HubJob(chosen, repo, flavor, image or IMAGE, timeout, data_dir, secrets, options)
        typer.echo(job.as_json() if dry_run else job.submit(None, Settings().hub_endpoint))
        return
    from llm_core.development import train_recipe
    from llm_core.training.memory import keep_freed_memory

    keep_freed_memory()
    told = train_recipe(chosen, data_dir, output, Settings(), resume=resume, budget_minutes=budget_minutes)
    typer.echo(told, nl=bool(told))


@app.command()
def evaluate(
    model_id: Annotated[str, typer.Argument(metavar="MODEL", help="Catalogue id.")],
    data: Annotated[str, typer.Option("--data", help="Name of the data set.")],
    data_dir: DataDirOption = None,
    split: Annotated[str, typer.Option(help="Part of the data set.")] = "validation",
    source: Annotated[list[str] | None, typer.Option("--source", help="Only rows of this source; repeatable.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first rows.")] = None,
    output: Annotated[Path | None, typer.Option("--output", help="Also write the figures as scores.json.")] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Measure its explanations instead, on --limit rows drawn by chance.")
    ] = False,
    card: Annotated[
        bool, typer.Option("--card", help="With --explain: put the figures into the model's card and scores, too.")
    ] = False,
    coverage: Annotated[
        Path | None,
        typer.Option(
            "--coverage",
            help="Also write how often it answers and is right above each confidence, as coverage.json; "
            "what the file holds of other data sets stays.",
        ),
    ] = None,
) -> None:
    """Measure a model as it is served: through the task, in its precision, with its calibration.

    Each line has the figure and its 95 % interval.
    """
    from llm_core.development import MEASURED_WITH, evaluate_model
    from llm_core.evaluation.coverage import write_coverage
    from llm_core.evaluation.scores import write_scores
    from llm_core.served import Rows
    from llm_core.served_coverage import measure_coverage
    from llm_core.served_explanations import explain_model, record_explanations

    rows = Rows(data, split, data_dir, tuple(source or ()), limit)
    scores = (explain_model if explain else evaluate_model)(model_id, rows, Settings())
    if output is not None:
        write_scores(output, scores, packages=MEASURED_WITH, model=model_id)
    if card and explain:
        typer.echo(record_explanations(model_id, scores, Settings(), limit))
    if coverage is not None:
        write_coverage(coverage, model_id, [measure_coverage(model_id, rows, Settings())], keep=True)
    for score in scores:
        typer.echo(f"{data} {split} {score.metric}: {score}")


@app.command()
def bench(
    names: Annotated[list[str] | None, typer.Argument(help="Which; all by default.")] = None,
    device: Annotated[
        str | None, typer.Option(help="batching, loading: torch's name of it; default: the best there is.")
    ] = None,
    shape: Annotated[
        list[str] | None, typer.Option(help="batching, loading: size of the random model, as 360M or 8B; repeatable.")
    ] = None,
    new_tokens: Annotated[int | None, typer.Option(min=2, help="batching, loading: tokens of each answer.")] = None,
) -> None:
    """Measure speed and memory against named peers in the same run, as Markdown tables."""
    from llm_core.bench import run_benchmarks

    options = {
        name: value for name, value in {"device": device, "shapes": shape, "new_tokens": new_tokens}.items() if value
    }
    for table in run_benchmarks(names or [], Settings(), **options):
        typer.echo(table)


@app.command()
def walkthrough(
    sentence: Annotated[
        str | None, typer.Argument(help="In words of the tiny vocabulary; default: an example.")
    ] = None,
    language: Annotated[Literal["en", "zh"], typer.Option(help="Of the example and of the explanations.")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Every number, for programs.")] = False,
) -> None:
    """Take a sentence from characters to cross-entropy: every step computed by hand and held against the model."""
    from llm_core.walkthrough import to_json, walk
    from llm_core.walkthrough.terminal import print_steps

    steps = walk(language if sentence is None else sentence)
    if as_json:
        typer.echo(json.dumps(to_json(steps), ensure_ascii=False, indent=1))
    else:
        print_steps(steps, language, Console(width=None if sys.stdout.isatty() else 160))


def main() -> None:
    """Entry point: errors meant for people are one line on standard error and exit status 2."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        app()
    except LlmCoreError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
