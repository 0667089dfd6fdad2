"""The files for containers are valid, and say the same as the code and as each other."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema

from llm_core.deploy.bundle import FILES, FOLDERS
from llm_core.limits import MAX_UPLOAD_BYTES
from llm_core.settings import REPOSITORY_ROOT, Settings

DEPLOY = REPOSITORY_ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
MANIFESTS = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")))
NGINX = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")


def test_the_compose_file_fits_the_specification() -> None:
    schema = get_builtin_schema("vendor.compose-spec")
    jsonschema.validate(COMPOSE, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**COMPOSE, "services": {"page-1": {"imagee": "x"}}}, schema)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest["kind"])
def test_the_manifests_fit_the_kubernetes_api(manifest: dict[str, Any]) -> None:
    version = ".".join(kubernetes_validate.latest_version().split(".")[:2])
    kubernetes_validate.validate(manifest, version, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**manifest, "spec": {**manifest["spec"], "nonsense": 1}}, version, strict=True)


def test_the_proxy_knows_the_replicas_of_the_compose_file() -> None:
    named = set(re.findall(r"server (page-\d):7860", NGINX))
    assert named == {name for name in COMPOSE["services"] if name != "proxy"} == set(proxy()["depends_on"])
    assert proxy()["ports"] == [f"8080:{listening()}"]


def proxy() -> dict[str, Any]:
    found: dict[str, Any] = COMPOSE["services"]["proxy"]
    return found


def listening() -> str:
    match = re.search(r"listen (\d+);", NGINX)
    assert match is not None
    return match[1]


def test_settings_named_there_exist() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in DEPLOY.iterdir())
    text += (REPOSITORY_ROOT / "Dockerfile").read_text(encoding="utf-8")
    named = {name.lower() for name in re.findall(r"LLM_CORE_(\w+)", text)}
    assert named and named <= set(Settings.model_fields)


def test_probes_ask_routes_that_are_served() -> None:
    container = MANIFESTS[0]["spec"]["template"]["spec"]["containers"][0]
    probes = {name: container[name]["httpGet"]["path"] for name in container if name.endswith("Probe")}
    assert probes == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}


def test_the_proxy_takes_what_the_page_takes() -> None:
    match = re.search(r"client_max_body_size (\d+)m", NGINX)
    assert match is not None and int(match[1]) * (1 << 20) >= MAX_UPLOAD_BYTES + 1_000_000


def test_the_image_holds_what_a_space_holds_and_no_more() -> None:
    lines = (REPOSITORY_ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert lines[1] == "*" and allowed == (set(FILES) - {"CHANGELOG.md"}) | set(FOLDERS) | {
        "requirements.txt",
        "constraints.txt",
    }
    python = re.search(r"^FROM python:([\d.]+)-slim$", (REPOSITORY_ROOT / "Dockerfile").read_text(), re.MULTILINE)
    front = yaml.safe_load((REPOSITORY_ROOT / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert python is not None and python[1] == front["python_version"]
