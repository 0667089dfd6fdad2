"""A training is prepared and submitted to Hugging Face Jobs as its recipe says; secrets are shown by name only."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llm_core import cli
from llm_core.errors import BackendError, InputError
from llm_core.settings import REPOSITORY_ROOT
from llm_core.training.hub_jobs import HubJob
from llm_core.training.recipe import Recipe, load_recipe
from llm_core.training.run_folder import recipe_toml
from tests.support.hub_uploads import READ_ONLY, TOKEN, UploadHub, taking_uploads

Scratch = Callable[..., Recipe]
# huggingface_hub 2.4 hands httpx2 bytes in a way that is going out of use.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[UploadHub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    with taking_uploads() as server:
        monkeypatch.setenv("LLM_CORE_HUB_ENDPOINT", server.base_url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server


def _job(recipe: Recipe, data_dir: Path, flavor: str = "a100x4") -> HubJob:
    return HubJob(recipe, "ann/made", flavor, data_dir=data_dir, secrets={"WANDB_API_KEY": "w-secret"})


def test_a_job_gets_code_recipe_data_and_secrets(
    hub: UploadHub, scratch: Scratch, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    recipe = scratch("causal_lm")
    address = _job(recipe, data_dir).submit(None, hub.base_url)
    assert address.endswith("/jobs/ann/687f") and hub.private == {"ann/made": True}
    sent = {name.removeprefix("ann/made/job/"): content for name, content in hub.files.items()}
    assert sent["made.toml"].decode() == recipe_toml(recipe)
    assert sent["data/notes/train.jsonl"] == (data_dir / "notes" / "train.jsonl").read_bytes()
    assert sent["llm_core/cli.py"] == (REPOSITORY_ROOT / "llm_core" / "cli.py").read_bytes()
    assert not [name for name in sent if "__pycache__" in name or "facts" in name or name.startswith(".")]
    [job] = hub.jobs
    assert job["secrets"] == {"HF_TOKEN": TOKEN, "WANDB_API_KEY": "w-secret"} and job["namespace"] == "ann"
    assert (job["flavor"], job["timeoutSeconds"], job["labels"]) == ("a100x4", 4 * 3600, {"name": "made"})
    assert job["volumes"] == [{"type": "model", "source": "ann/made", "mountPath": "/repository", "readOnly": True}]
    script = job["command"][2]
    assert "--nproc-per-node=4 -m llm_core train made.toml --output out --data-dir data" in script
    assert "hf upload ann/made out . " in script
    assert TOKEN not in caplog.text and "w-secret" not in caplog.text


def test_the_recipe_that_is_sent_trains_the_same(hub: UploadHub, scratch: Scratch, tmp_path: Path) -> None:
    recipe = scratch("causal_lm", optim={"learning_rate": 0.02})
    HubJob(recipe, "ann/made").submit(None, hub.base_url)
    (tmp_path / "made.toml").write_bytes(hub.files["ann/made/job/made.toml"])
    assert load_recipe(tmp_path / "made.toml") == recipe


def test_a_dry_run_shows_the_call_and_sends_nothing(hub: UploadHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "w-secret")
    options = ["--on", "hf-jobs", "--repo", "ann/spam", "--flavor", "a10g-small", "--secret", "WANDB_API_KEY"]
    shown = CliRunner().invoke(
        cli.app, ["train", "spam-en", *options, "--set", "optim.learning_rate=1e-4", "--dry-run"]
    )
    described = json.loads(shown.stdout)
    assert described["run_job"]["secrets"] == ["HF_TOKEN", "WANDB_API_KEY"] and described["run_job"]["timeout"] == "4h"
    assert "learning_rate = 0.0001" in described["recipe"] and "job/llm_core/cli.py" in described["upload"]
    assert "python -m llm_core train spam-en.toml --output out" in described["run_job"]["command"][2]
    assert TOKEN not in shown.stdout and "w-secret" not in shown.stdout
    assert hub.files == {} and hub.jobs == []


def test_the_command_submits(hub: UploadHub) -> None:
    done = CliRunner().invoke(cli.app, ["train", "spam-en", "--on", "hf-jobs", "--repo", "ann/spam"])
    assert done.exit_code == 0 and done.stdout.strip().endswith("/jobs/ann/687f"), done.output
    assert TOKEN not in done.output and "ann/spam/job/spam-en.toml" in hub.files


@pytest.mark.parametrize(
    ("token", "flavor", "rule"),
    [("hf_no", "cpu-basic", "token: is not one"), (READ_ONLY, "cpu-basic", "token: may not write"),
     (TOKEN, "huge", "flavor: or image is not one that the Hub takes")],
)  # fmt: skip
def test_refusals_name_their_field(hub: UploadHub, scratch: Scratch, token: str, flavor: str, rule: str) -> None:
    with pytest.raises(InputError, match=rule) as refusal:
        HubJob(scratch("causal_lm"), "ann/made", flavor).submit(token, hub.base_url)
    assert token not in str(refusal.value) and hub.jobs == []


def test_a_hub_that_is_not_there_is_told_without_the_token(scratch: Scratch) -> None:
    with pytest.raises(BackendError, match="the Hub could not be reached") as failure:
        HubJob(scratch("causal_lm"), "ann/made").submit(TOKEN, "http://127.0.0.1:9")
    assert TOKEN not in str(failure.value) and failure.value.__suppress_context__


def test_mistakes_are_told_before_anything_is_sent(scratch: Scratch, tmp_path: Path) -> None:
    recipe = scratch("causal_lm")
    for fields, rule in [
        ({"repository": "made"}, "repo: must be OWNER/NAME"),
        ({"repository": "ann/made", "timeout": "soon"}, "timeout: must be a number"),
    ]:
        with pytest.raises(InputError, match=rule):
            HubJob(recipe, **fields)
    with pytest.raises(InputError, match="data: must be in"):
        HubJob(recipe, "ann/made", data_dir=tmp_path).files()
    local = recipe.model_copy(update={"base": "models/mine"})
    with pytest.raises(InputError, match="base: must be a model on the Hub"):
        HubJob(local, "ann/made")
