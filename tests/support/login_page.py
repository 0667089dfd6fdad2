"""The page on a Space with log-in: ``python -m tests.support.login_page PORT ROUTER [KEY]``.

Its remote model is asked at the address ROUTER, with the owner's KEY if there is one. Unless ELSEWHERE is set, that is
taken for the Hub's router.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
import time

from itsdangerous import TimestampSigner
from pydantic import SecretStr

from demos._page import build_page, launch_options
from llm_core import endpoints
from tests.support.echo import echo_spec
from tests.support.remote_servers import remote_engine, remote_model

CLIENT_SECRET = "oauth-client-secret"
SPACE = {
    "SYSTEM": "spaces",
    "SPACE_ID": "ann/demo",
    "OAUTH_CLIENT_ID": "client",
    "OAUTH_CLIENT_SECRET": CLIENT_SECRET,
    "OAUTH_SCOPES": "openid profile inference-api",
    "OPENID_PROVIDER_URL": "http://127.0.0.1:9",
}
"""What a Space with log-in is told."""


def session_cookie(token: str, seconds: float = 3600.0) -> str:
    """The cookie of a visitor who has logged in, as Gradio's log-in signs it."""
    info = {"access_token": token, "scope": SPACE["OAUTH_SCOPES"], "expires_at": int(time.time() + seconds),
            "userinfo": {"preferred_username": "bea"}}  # fmt: skip
    key = hashlib.sha256(f"{CLIENT_SECRET}-v4".encode()).hexdigest()
    return TimestampSigner(key).sign(base64.b64encode(json.dumps({"oauth_info": info}).encode())).decode()


def main(port: int, router: str, key: str = "") -> None:
    """Serve until terminated."""
    if "ELSEWHERE" not in os.environ:
        endpoints.HUB_ROUTER = router
    endpoint = endpoints.Endpoint(name="router", base_url=router, key=SecretStr(key) if key else None)
    model = remote_model(endpoints=(endpoint,), health_seconds=60)
    engine = remote_engine(model, echo_spec("near", prompt_template="plain"))
    page = build_page(engine)
    page.launch(server_name="127.0.0.1", server_port=port, quiet=True, **launch_options())


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
