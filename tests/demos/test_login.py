"""Log-in on a Space: whose key the Hub's router gets, who never gets it, and that nothing changes anywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from demos._visitor import has_login
from tests.support.login_page import SPACE, session_cookie
from tests.support.page_process import page_process
from tests.support.remote_servers import FaultyServer, faulty

OWNER, VISITOR = "hf_owner_canary", "hf_oauth_visitor_canary"


class LoginSite:
    """A page, and the router that it asks."""

    def __init__(self, address: str, router: FaultyServer, log: Path) -> None:
        self.address, self.router, self.log = address, router, log

    def ask(self, cookie: str = "", **fields: Any) -> dict[str, Any]:
        headers = {"cookie": f"session={cookie}"} if cookie else {}
        client = Client(self.address, verbose=False, headers=headers)
        values = {"prompt": "Tell a story.", "max_new_tokens": 8, **fields}
        answer: dict[str, Any] = client.predict(**values, api_name="/generate")
        return answer

    @property
    def keys(self) -> list[str | None]:
        """Of all requests so far."""
        return [headers.get("authorization") for headers in self.router.headers]


@pytest.fixture(scope="module", params=[OWNER, ""], ids=["owner", "nobody"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoginSite]:
    folder = tmp_path_factory.mktemp("login")
    with faulty() as router, page_process("login_page", SPACE, folder, router.url, request.param) as address:
        found = LoginSite(address, router, folder / "log.txt")
        found.owner = request.param  # type: ignore[attr-defined]
        yield found


@pytest.fixture(autouse=True)
def fresh(request: pytest.FixtureRequest) -> None:
    if "site" in request.fixturenames:
        router = request.getfixturevalue("site").router
        router.status, router.message = 200, "no"
        del router.headers[:]


def test_a_visitor_who_is_logged_in_asks_the_router_on_its_own_credit(site: LoginSite) -> None:
    assert site.ask(session_cookie(VISITOR))["model"] == "far"
    assert site.keys == [f"Bearer {VISITOR}"]


def test_without_log_in_the_owner_pays_or_the_embedded_model_answers(site: LoginSite) -> None:
    answer = site.ask()
    if site.owner:  # type: ignore[attr-defined]
        assert answer["model"] == "far" and site.keys == [f"Bearer {OWNER}"]
        return
    assert answer["model"] == "near" and site.keys == [] and "instead_of" not in answer
    with pytest.raises(AppError, match="runs on your own Inference Providers credit. Log in to Hugging Face"):
        site.ask(model="far")


@pytest.mark.parametrize("cookie", [session_cookie(VISITOR, seconds=-5), session_cookie(VISITOR)[:-3] + "abc"])
def test_a_log_in_that_is_over_or_forged_is_none(site: LoginSite, cookie: str) -> None:
    site.ask(cookie)
    assert all(VISITOR not in str(key) for key in site.keys)


@pytest.mark.parametrize(("status", "words"), [(402, "has no credit left for you"), (401, "please log in again")])
def test_a_visitor_without_credit_falls_back_and_harms_nobody(site: LoginSite, status: int, words: str) -> None:
    cookie = session_cookie(VISITOR)
    site.router.status, site.router.message = status, f"no credit for {VISITOR}"
    for _ in range(4):  # three failures would set an endpoint aside
        answer = site.ask(cookie)
        assert (answer["model"], answer["instead_of"]) == ("near", "far")
    with pytest.raises(AppError, match=words):
        site.ask(cookie, model="far")
    site.router.status = 200
    assert site.ask(cookie)["model"] == "far", "the endpoint is not blamed"


def test_the_key_is_in_no_log_and_no_answer(site: LoginSite) -> None:
    cookie = session_cookie(VISITOR)
    site.router.status, site.router.message = 400, f"what does {VISITOR} want?"
    with pytest.raises(AppError) as refused:
        site.ask(cookie, model="far")
    assert "what does … want?" in str(refused.value) and VISITOR not in str(refused.value)
    config = httpx2.get(f"{site.address}/config", headers={"cookie": f"session={cookie}"})
    assert config.status_code == 200 and VISITOR not in config.text and "login-button" in config.text
    assert VISITOR not in site.log.read_text() and OWNER not in site.log.read_text()


def test_another_address_gets_the_owners_key_only(tmp_path: Path) -> None:
    """The router is elsewhere: the model's server is any server."""
    with faulty() as server, page_process("login_page", {**SPACE, "ELSEWHERE": "1"}, tmp_path, server.url, OWNER) as at:
        other = LoginSite(at, server, tmp_path / "log.txt")
        assert other.ask(session_cookie(VISITOR))["model"] == "far" and other.keys == [f"Bearer {OWNER}"]


@pytest.mark.parametrize("told", [{}, {"OAUTH_CLIENT_ID": "client"}, {"SYSTEM": "spaces", "SPACE_ID": "a/b"}])
def test_anywhere_else_there_is_no_log_in(monkeypatch: pytest.MonkeyPatch, told: dict[str, str]) -> None:
    for name in ("SYSTEM", "SPACE_ID", "OAUTH_CLIENT_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert not has_login()
