"""Fetching over the Hugging Face Hub's protocol: what a repository holds, and one file, resumed where it broke off.

Addresses, log-in, proxies and error types are huggingface_hub's. The transfer is ours because huggingface_hub 2.4
starts a file again from zero in each process, and hands out data in pieces of 10 MB, so that a break or a Stop
loses up to that much. The module decides nothing about digests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2
from huggingface_hub import HfApi, constants, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import (
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented, but not marked as exported
    build_hf_headers,
    get_session,
    hf_raise_for_status,
)
from tenacity import RetryCallState, Retrying, retry_if_exception

from llm_core.catalog import HubSource
from llm_core.errors import WeightsError
from llm_core.types import CancelToken
from llm_core.weights.policy import is_weights, select

CONVERSION_BOT = "SFconvertbot"
CONVERSION_TITLE = "Adding `safetensors` variant of this model"
CONVERSION_SPACE = "https://huggingface.co/spaces/safetensors/convert"
FRUITLESS_ATTEMPTS = 4
"""A file is given up after so many attempts in a row that brought no byte."""
RETRY_SECONDS = 0.1
"""Pause before going on after an attempt that brought something; it triples with each that brought nothing."""
TIMEOUT = httpx2.Timeout(10.0, connect=5.0)

HubFailure = (httpx2.HTTPError, OSError, ValueError)
"""What the functions here raise when the Hub cannot serve, or its address is no Hub; `explain` puts it in words."""


class NoSafeWeights(WeightsError):
    """A repository has no weights in a format that cannot hold code."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a repository."""

    name: str
    commit: str
    size: int
    sha256: str | None = None
    """``None``: not known before the download."""


class HubClient:
    """Asks one Hub.

    Args:
        endpoint: Its address; ``None`` means huggingface_hub's own choice.
        token: For private and gated repositories; ``None`` means the log-in stored on this machine, if any.
    """

    def __init__(self, endpoint: str | None, token: str | None) -> None:
        self.endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        self._token = token

    def reachable(self, seconds: float) -> bool:
        """Whether the server answers at all within `seconds`."""
        try:
            return get_session().head(self.endpoint, timeout=seconds).status_code < 500
        except HubFailure:
            return False

    def list_files(self, source: HubSource, model_id: str) -> list[RemoteFile]:
        """The files to fetch, small ones first, each with the commit that its revision means now.

        Raises:
            NoSafeWeights: The weights are pickled, and there is no conversion.
            WeightsError: A pattern asks for a refused format.
            HubFailure: The Hub cannot be asked, or does not know the repository or revision.
        """
        files = self._files_at(source, source.revision, model_id)
        if source.weights == "conversion":
            converted = self._files_at(source, self._conversion(source, model_id), model_id)
            files = [file for file in files if not is_weights(file.name)]
            files += [file for file in converted if is_weights(file.name)]
        if not any(is_weights(file.name) for file in files):
            raise NoSafeWeights(f"{model_id}: {source.repo} has no safetensors, and pickled weights are never loaded")
        return sorted(files, key=lambda file: (is_weights(file.name), file.size))

    def download(
        self, repo: str, file: RemoteFile, part: Path, report: Callable[[int], None], cancel: CancelToken
    ) -> None:
        """Bring `part` up to the file's size, going on from what is there already.

        Args:
            repo: Repository.
            file: What to fetch.
            part: Where it grows; left as it is on failure, for the next attempt.
            report: Told the bytes that are there.
            cancel: Checked at each piece.

        Raises:
            WeightsError: The server sends more than the file should have.
            CancelledError, DeadlineExceededError: As the token says.
            HubFailure: Attempts brought nothing any more.
        """
        transfer = _Transfer(
            hf_hub_url(repo, file.name, revision=file.commit, endpoint=self.endpoint),
            build_hf_headers(token=self._token) | {"accept-encoding": "identity"},
            file,
            part,
            report,
            cancel,
        )
        transfer.run()

    def _files_at(self, source: HubSource, revision: str, model_id: str) -> list[RemoteFile]:
        api = HfApi(endpoint=self.endpoint, token=self._token)
        info = api.model_info(source.repo, revision=revision, files_metadata=True, timeout=TIMEOUT.read)
        found = {sibling.rfilename: sibling for sibling in info.siblings or ()}
        chosen = [found[name] for name in select(found, source.patterns, model_id)]
        commit = info.sha or revision
        return [RemoteFile(one.rfilename, commit, one.size or 0, one.lfs.sha256 if one.lfs else None) for one in chosen]

    def _conversion(self, source: HubSource, model_id: str) -> str:
        """The pull request of the conversion bot; one by anybody else, even of that title, is not taken."""
        response = get_session().get(
            f"{self.endpoint}/api/models/{source.repo}/discussions",
            params={"type": "pull_request", "author": CONVERSION_BOT},
            headers=build_hf_headers(token=self._token),
            timeout=TIMEOUT,
        )
        hf_raise_for_status(response)
        numbers = [entry["num"] for entry in response.json()["discussions"] if _is_conversion(entry)]
        if not numbers:
            raise NoSafeWeights(f"{model_id}: {source.repo} has pickled weights only, which are never loaded")
        return f"refs/pr/{max(numbers)}"


def preloaded(repo: str, file: RemoteFile) -> Path | None:
    """Where huggingface_hub's own cache has a file, as a Space's ``preload_from_hub`` leaves it; not verified."""
    found = try_to_load_from_cache(repo, file.name, revision=file.commit)
    return Path(found) if isinstance(found, str) and Path(found).stat().st_size == file.size else None


def explain(error: BaseException, repo: str) -> tuple[str, str]:
    """A failure in plain words: (reason, remedy; empty when trying again later is all there is)."""
    if isinstance(error, OfflineModeIsEnabled):
        return "the network is switched off for the Hugging Face Hub (HF_HUB_OFFLINE)", "Unset HF_HUB_OFFLINE"
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"the Hub gives no access to {repo} (private, gated or gone)",
            "Set LLM_CORE_HUB_TOKEN to a token that may",
        )
    if isinstance(error, RevisionNotFoundError | RemoteEntryNotFoundError):
        return f"the Hub no longer has the recorded files of {repo}", ""
    if isinstance(error, HfHubHTTPError):
        return f"the Hub answers with an error ({error.response.status_code})", ""
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError):
        return "needs the Hugging Face Hub, which cannot be reached", ""
    if isinstance(error, httpx2.TimeoutException):
        return "the Hugging Face Hub did not answer in time", ""
    if isinstance(error, httpx2.HTTPError):
        return "the connection to the Hugging Face Hub broke off again and again", ""
    if isinstance(error, ValueError):
        return "what answers at the Hub's address is not a Hub (a log-in page of this network?)", ""
    return f"the files cannot be stored ({type(error).__name__})", "Set LLM_CORE_CACHE_DIR to a folder with room"


def _is_conversion(entry: dict[str, Any]) -> bool:
    author = (entry.get("author") or {}).get("name")
    open_request = entry.get("isPullRequest") is True and entry.get("status") == "open"
    return open_request and author == CONVERSION_BOT and entry.get("title") == CONVERSION_TITLE


class _Transfer:
    """One file on its way, over as many connections as it takes."""

    def __init__(
        self,
        url: str,
        headers: dict[str, str],
        file: RemoteFile,
        part: Path,
        report: Callable[[int], None],
        cancel: CancelToken,
    ) -> None:
        self._url, self._headers, self._file, self._part = url, headers, file, part
        self._report, self._cancel = report, cancel
        self._received = 0
        self._fruitless = 0

    def run(self) -> None:
        retrying = Retrying(
            retry=retry_if_exception(self._may_pass),
            stop=self._is_hopeless,
            wait=lambda _: RETRY_SECONDS * 3**self._fruitless,
            sleep=self._cancel.pause,
            reraise=True,
        )
        retrying(self._attempt)

    def _attempt(self) -> None:
        before = self._received
        self._fruitless += 1
        try:
            if self._there() < self._file.size or not self._part.exists():
                self._receive()
        finally:
            if self._received > before:
                self._fruitless = 0
        there = self._there()
        if there < self._file.size:
            raise httpx2.RemoteProtocolError(f"{there} of {self._file.size} bytes came")
        self._report(there)

    def _receive(self) -> None:
        have = self._there()
        headers = self._headers | ({"range": f"bytes={have}-"} if have else {})
        with get_session().stream("GET", self._url, headers=headers, timeout=TIMEOUT) as response:
            self._refuse_other_size(response, have)
            hf_raise_for_status(response)
            resumed = have > 0 and response.status_code == HTTPStatus.PARTIAL_CONTENT
            there = have if resumed else 0
            with self._part.open("ab" if resumed else "wb") as sink:
                for piece in response.iter_bytes():
                    self._cancel.check()
                    there += len(piece)
                    self._refuse_excess(there)
                    sink.write(piece)
                    self._received += len(piece)
                    self._report(there)

    def _refuse_other_size(self, response: httpx2.Response, have: int) -> None:
        """Stop at the first answer when the server's file has another size; a part of it is no use either."""
        start = have if response.status_code == HTTPStatus.PARTIAL_CONTENT else 0
        plain = response.is_success and "content-encoding" not in response.headers
        length = response.headers.get("content-length", "") if plain else ""
        other = length.isdigit() and start + int(length) != self._file.size
        if other or response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            self._part.unlink(missing_ok=True)
            raise WeightsError(f"{self._file.name}: the server's file has not the {self._file.size} bytes expected")

    def _refuse_excess(self, there: int) -> None:
        if there > self._file.size:
            raise WeightsError(f"{self._file.name}: the server sends more than the {self._file.size} bytes expected")

    def _there(self) -> int:
        """Bytes in the part; one that is too long is no part of this file, and is dropped."""
        size = self._part.stat().st_size if self._part.exists() else 0
        if size > self._file.size:
            self._part.unlink()
            return 0
        return size

    def _may_pass(self, error: BaseException) -> bool:
        """Whether trying again makes sense: not when the very first connection fails, as without a network."""
        if isinstance(error, HfHubHTTPError):
            return error.response.status_code in (408, 429) or error.response.status_code >= 500
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
            return self._received > 0
        return isinstance(error, httpx2.TransportError)

    def _is_hopeless(self, _: RetryCallState) -> bool:
        return self._fruitless >= FRUITLESS_ATTEMPTS
