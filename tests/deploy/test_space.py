"""Deployments against a server that speaks the Hub's API: one commit, settings, hardware, waiting, and breaks."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import HfApi
from typer.testing import CliRunner

from llm_core import cli
from llm_core.catalog import load_catalog
from llm_core.deploy import BundleFile, Deployment, SpaceOptions
from llm_core.deploy import space as space_module
from llm_core.errors import BackendError, ConfigurationError, InputError
from llm_core.settings import REPOSITORY_ROOT
from tests.support.space_hub import READ_ONLY, TOKEN, SpaceHub, hosting_spaces

# huggingface_hub 2.4 hands httpx2 bytes in a way that is going out of use.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

SECRET = "s3cret-value"
LARGE = 4


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[SpaceHub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    monkeypatch.setattr(space_module, "POLL_SECONDS", 0.01)
    with hosting_spaces() as server:
        yield server


@pytest.fixture
def files(tmp_path: Path) -> list[BundleFile]:
    (tmp_path / "app.py").write_text("print('page')\n")
    weights = [tmp_path / f"{number}.safetensors" for number in range(LARGE)]
    for number, path in enumerate(weights):
        path.write_bytes(bytes([number]) * 50_000)
    return [
        BundleFile("README.md", b"---\nsdk: gradio\n---\n# page\n"),
        BundleFile("app.py", tmp_path / "app.py"),
        *(BundleFile(f"models/{path.name}", path) for path in weights),
    ]


def file_digest(file: BundleFile) -> str:
    assert isinstance(file.content, Path)
    return hashlib.sha256(file.content.read_bytes()).hexdigest()


def deploy(hub: SpaceHub, files: list[BundleFile], token: str = TOKEN, **options: Any) -> list[str]:
    told: list[str] = []
    api = HfApi(endpoint=hub.base_url, token=token)
    try:
        Deployment(SpaceOptions("ann/demo", **options), files, api, told.append).run()
    except Exception as error:
        error.add_note("\n".join(told))
        raise
    return told


def test_a_space_is_made_in_one_commit_and_waited_for(hub: SpaceHub, files: list[BundleFile]) -> None:
    told = deploy(hub, files, private=True)
    assert hub.private == {"ann/demo": True} and len(hub.commits) == 1
    assert set(hub.files) == {f"ann/demo/{file.path}" for file in files}
    assert hub.files["ann/demo/app.py"] == b"print('page')\n"
    assert [line for line in told if line.startswith("stage")] == [
        "stage: building",
        "stage: app starting",
        "stage: running",
    ]
    assert told[-1] == f"{hub.base_url}/spaces/ann/demo"


def test_settings_hardware_and_sleep_are_set_before_the_build(hub: SpaceHub, files: list[BundleFile]) -> None:
    deploy(
        hub,
        files,
        hardware="l4x1",
        sleep_seconds=900,
        variables={"LLM_CORE_METRICS": "true"},
        secrets={"LLM_CORE_HUB_TOKEN": SECRET},
    )
    assert (hub.hardware, hub.sleep_seconds) == ("l4x1", 900)
    assert hub.variables == {"LLM_CORE_METRICS": "true"} and hub.secrets == {"LLM_CORE_HUB_TOKEN": SECRET}
    order = [path.rpartition("/")[2] for method, path in hub.asked if method == "POST"]
    assert order.index("secrets") < order.index("variables") < order.index("hardware") < order.index("main")


def test_a_second_run_sends_only_what_changed_and_removes_what_is_gone(hub: SpaceHub, files: list[BundleFile]) -> None:
    deploy(hub, files, variables={"A": "1"}, hardware="t4-small")
    hub.stages = ["RUNNING_BUILDING", "RUNNING"]
    asked = len(hub.asked)
    changed = [BundleFile("app.py", b"print('new')\n"), *files[2:-1], files[0]]
    deploy(hub, changed, variables={"A": "1"}, hardware="t4-small")
    assert sorted((line["key"], line["value"]["path"]) for line in hub.commits[1]) == [
        ("deletedFile", f"models/{LARGE - 1}.safetensors"),
        ("file", "app.py"),
    ]
    assert set(hub.files) == {f"ann/demo/{file.path}" for file in changed}
    again = [path for method, path in hub.asked[asked:] if method != "GET"]
    assert not any("/store/" in path or path.endswith(("/variables", "/hardware")) for path in again)


def test_a_run_that_changes_nothing_says_so(hub: SpaceHub, files: list[BundleFile]) -> None:
    deploy(hub, files)
    assert "nothing has changed since the last deployment" in deploy(hub, files)
    assert len(hub.commits) == 1


def test_after_a_dropped_connection_the_next_run_goes_on(hub: SpaceHub, files: list[BundleFile]) -> None:
    hub.breaks = {file_digest(files[-1]), file_digest(files[-2])}
    with pytest.raises(BackendError, match="could not be reached") as broken:
        deploy(hub, files)
    assert TOKEN not in str(broken.value) and hub.commits == [] and len(hub.large) == 2
    hub.breaks = set()
    sent = hub.count("/store/")
    deploy(hub, files)
    assert hub.count("/store/") - sent == LARGE - 2, "what had arrived is not sent again"
    assert len(hub.commits) == 1 and set(hub.files) == {f"ann/demo/{file.path}" for file in files}


def test_a_public_space_becomes_private_when_asked(hub: SpaceHub, files: list[BundleFile]) -> None:
    deploy(hub, files)
    assert hub.private == {"ann/demo": False}
    deploy(hub, files, private=True)
    assert hub.private == {"ann/demo": True}
    deploy(hub, files)
    assert hub.private == {"ann/demo": True}, "and stays so"


@pytest.mark.parametrize("stage", ["BUILD_ERROR", "RUNTIME_ERROR"])
def test_a_failed_build_shows_the_end_of_its_log(hub: SpaceHub, files: list[BundleFile], stage: str) -> None:
    hub.stages = ["BUILDING", stage]
    hub.log = [f"line {number}\n" for number in range(100)] + ["ERROR: No matching distribution found\n"]
    with pytest.raises(BackendError, match=stage) as failure:
        deploy(hub, files)
    told = failure.value.__notes__[0]
    assert "No matching distribution" in told and "line 99" in told and "line 10\n" not in told
    assert any(path.endswith("/logs/build" if stage == "BUILD_ERROR" else "/logs/run") for _, path in hub.asked)


def test_waiting_ends(hub: SpaceHub, files: list[BundleFile]) -> None:
    hub.stages = ["BUILDING"]
    with pytest.raises(BackendError, match="is still BUILDING"):
        deploy(hub, files, wait_seconds=0.05)


@pytest.mark.parametrize(
    ("token", "rule"), [("hf_unknown", "not one that the Hub knows"), (READ_ONLY, "may not write")]
)
def test_a_refused_token_is_told(hub: SpaceHub, files: list[BundleFile], token: str, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        deploy(hub, files, token)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"repository": "demo"}, "repository"),
        ({"repository": "a/b/c"}, "repository"),
        ({"repository": "ann/demo", "hardware": "h100"}, "hardware"),
        ({"repository": "ann/demo", "hardware": "zero-a10g", "sleep_seconds": 600}, "sleep_time"),
        ({"repository": "ann/demo", "sleep_seconds": 600}, "sleep_time"),
    ],
)
def test_mistakes_name_their_field(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as mistake:
        SpaceOptions(**options)
    assert mistake.value.field == field


@pytest.fixture
def environment(hub: SpaceHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_CORE_HUB_ENDPOINT", hub.base_url)
    monkeypatch.setenv("LLM_CORE_HUB_TOKEN", TOKEN)
    monkeypatch.setenv("MY_SECRET", SECRET)
    monkeypatch.setenv("MY_VARIABLE", "shown")


def test_a_dry_run_lists_files_and_calls_and_asks_nobody(hub: SpaceHub, environment: None) -> None:
    command = ["deploy", "space", "ann/demo", "--dry-run", "--secret", "MY_SECRET", "--hardware", "l4x1"]
    output = CliRunner().invoke(cli.app, command, catch_exceptions=False).output
    assert hub.asked == []
    assert "models/translate-en-zh/model.bin" in output and "would set the secret MY_SECRET" in output
    assert "would ask for l4x1" in output and SECRET not in output and TOKEN not in output


def test_zero_gpu_gets_its_torch_and_its_package(hub: SpaceHub, environment: None) -> None:
    command = ["deploy", "space", "ann/demo", "--hardware", "zero-a10g"]
    output = CliRunner().invoke(cli.app, [*command, "--dry-run"], catch_exceptions=False).output
    assert hub.asked == [] and "would ask for zero-a10g" in output and "demos/_zero_gpu.py" in output
    CliRunner().invoke(cli.app, command, catch_exceptions=False)
    requirements = hub.files["ann/demo/requirements.txt"].decode().splitlines()
    assert hub.hardware == "zero-a10g" and {"torch==2.11.0", "spaces==0.51.3"} <= set(requirements)
    assert not any(line.startswith(("torch==2.13", "--extra-index-url")) for line in requirements)


def _preloaded(hub: SpaceHub) -> list[str]:
    front = yaml.safe_load(hub.files["ann/demo/README.md"].decode().split("---")[1])
    return list(front["preload_from_hub"])


def test_models_for_zero_gpu_are_put_into_the_image(
    hub: SpaceHub, environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog, gigabyte = load_catalog(), 10**9
    named = ["qwen3-4b-instruct", "nllb-200-distilled-600m", "qwen2.5-0.5b-instruct", "bert-base-ner"]
    qwen, nllb, small, ner = (catalog[name].hub for name in named)
    assert qwen and nllb and small and ner
    shards = {f"model-0000{number}-of-00002.safetensors": 4 * gigabyte for number in (1, 2)}
    hub.models = {
        f"{qwen.repo}@{qwen.revision}": {
            "README.md": 5,
            "config.json": 700,
            "model.safetensors.index.json": 9,
            **shards,
        },
        f"{nllb.repo}@{nllb.revision}": {"config.json": 800, "pytorch_model.bin": 2 * gigabyte, "tokenizer.json": 17},
        f"{nllb.repo}@refs/pr/7": {"model.safetensors": 2 * gigabyte},
        f"{small.repo}@{small.revision}": {"config.json": 600, "model.safetensors": 11 * gigabyte},
    }
    monkeypatch.setenv("LLM_CORE_ZERO_GPU_MODELS", ",".join(named))
    command = ["deploy", "space", "ann/demo", "--hardware", "zero-a10g", "--variable", "LLM_CORE_ZERO_GPU_MODELS"]
    output = CliRunner().invoke(cli.app, [*command, "--dry-run"], catch_exceptions=False).output
    assert hub.asked == [] and f"would look up the files of {', '.join(named)} on the Hub" in output
    output = CliRunner().invoke(cli.app, command, catch_exceptions=False).output
    assert "qwen3-4b-instruct (8.0 GB) is put into the image" in output
    assert "qwen2.5-0.5b-instruct (11.0 GB) is fetched at each start: the image takes no more" in output
    assert "bert-base-ner is not put into the image: the Hub answers with an error (404)" in output
    own = yaml.safe_load((REPOSITORY_ROOT / "README.md").read_text(encoding="utf-8").split("---")[1])
    assert _preloaded(hub) == [
        *own["preload_from_hub"],
        f"{qwen.repo} config.json,model.safetensors.index.json,{','.join(shards)} {qwen.revision}",
        f"{nllb.repo} tokenizer.json,config.json {nllb.revision}",
        f"{nllb.repo} model.safetensors {'c' * 40}",
    ]
    assert hub.variables["LLM_CORE_ZERO_GPU_MODELS"] == ",".join(named)


@pytest.mark.parametrize(("hardware", "bits"), [("cpu-basic", False), ("l4x1", True), ("zero-a10g", False)])
def test_a_gpu_of_ones_own_gets_fewer_bits_a_weight(
    hub: SpaceHub, environment: None, hardware: str, bits: bool
) -> None:
    CliRunner().invoke(cli.app, ["deploy", "space", "ann/demo", "--hardware", hardware], catch_exceptions=False)
    assert (b"bitsandbytes==" in hub.files["ann/demo/requirements.txt"]) == bits
    own = yaml.safe_load((REPOSITORY_ROOT / "README.md").read_text(encoding="utf-8").split("---")[1])
    assert _preloaded(hub) == own["preload_from_hub"]


def test_log_in_and_remote_models_go_up(hub: SpaceHub, environment: None, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        """[models.big]\nmodel = "org/big"\ncontext_length = 8192\nlogprobs = false\n"""
        """[[models.big.endpoints]]\nname = "router"\nbase_url = "https://router.huggingface.co/v1"\n"""
    )
    CliRunner().invoke(
        cli.app, ["deploy", "space", "ann/demo", "--oauth", "--remote", str(file)], catch_exceptions=False
    )
    front = yaml.safe_load(hub.files["ann/demo/README.md"].decode().split("---")[1])
    assert front["hf_oauth"] is True and front["hf_oauth_scopes"] == ["inference-api"] and front["sdk"] == "gradio"
    requirements = hub.files["ann/demo/requirements.txt"].decode()
    assert all(f"{name}==" in requirements for name in ("gradio[mcp,oauth]", "authlib", "itsdangerous", "joserfc"))
    assert hub.files["ann/demo/remote.toml"] == file.read_bytes()
    assert hub.variables == {"LLM_CORE_REMOTE": "remote.toml"}
    file.write_text("[models.big]\n")
    with pytest.raises(ConfigurationError, match="LLM_CORE_REMOTE: mine.toml"):
        CliRunner().invoke(cli.app, ["deploy", "space", "ann/demo", "--remote", str(file)], catch_exceptions=False)


def test_links_to_the_space_have_a_picture_and_without_log_in_nothing_else_is_added(
    hub: SpaceHub, environment: None
) -> None:
    CliRunner().invoke(cli.app, ["deploy", "space", "ann/demo"], catch_exceptions=False)
    picture = f"{hub.base_url}/spaces/ann/demo/resolve/main/demos/images/social.png"
    readme = hub.files["ann/demo/README.md"].decode()
    assert (
        yaml.safe_load(readme.split("---")[1])["thumbnail"] == picture
        and "ann/demo/demos/images/social.png" in hub.files
    )
    assert readme.replace(f'thumbnail: "{picture}"\n', "") == (REPOSITORY_ROOT / "README.md").read_text(
        encoding="utf-8"
    )
    assert b"oauth" not in hub.files["ann/demo/requirements.txt"]


@pytest.mark.parametrize("options", [["http://wheels.example"], ["https://wheels.example", "--hardware", "l4x1"]])
def test_an_index_of_packages_is_safe_and_for_processors_only(environment: None, options: list[str]) -> None:
    result = CliRunner().invoke(cli.app, ["deploy", "space", "ann/demo", "--dry-run", "--torch-index", *options])
    assert isinstance(result.exception, InputError) and result.exception.field == "torch-index"


def test_the_command_deploys_the_repository_and_logs_no_secret(
    hub: SpaceHub, environment: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    command = ["deploy", "space", "ann/demo", "--secret", "MY_SECRET", "--variable", "MY_VARIABLE"]
    command += ["--torch-index", "https://wheels.example/cpu"]
    result = CliRunner().invoke(cli.app, command, catch_exceptions=False)
    assert hub.secrets == {"MY_SECRET": SECRET} and hub.variables == {"MY_VARIABLE": "shown"}
    assert b"torch==2.13.0+cpu" in hub.files["ann/demo/requirements.txt"]
    assert "ann/demo/demos/_page.py" in hub.files and result.stdout.rstrip().endswith("/spaces/ann/demo")
    assert not any(word in result.output + caplog.text for word in (SECRET, TOKEN))


def test_a_variable_that_is_not_set_is_named_before_anything_is_done(hub: SpaceHub, environment: None) -> None:
    with pytest.raises(InputError, match="NOT_THERE is not set"):
        CliRunner().invoke(cli.app, ["deploy", "space", "ann/demo", "--variable", "NOT_THERE"], catch_exceptions=False)
    assert hub.asked == []
