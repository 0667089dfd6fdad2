"""A visitor's model to take along: as a zip file in the Hub's format, or on the Hub with the visitor's own token.

The token is used for the one upload. It is in no log, message or file, and nothing keeps it.
"""

from __future__ import annotations

import time
import zipfile
from collections.abc import Generator
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, SecretStr

from llm_core.errors import InputError
from llm_core.hub_writes import told_plainly
from llm_core.session import Task
from llm_core.tasks.base import Request
from llm_core.tasks.train.run import Trainings
from llm_core.types import CancelToken, Completed, Event, Progress, RunStats


def _stripped(text: str) -> str:
    text = text.strip()
    if not text:
        raise ValueError("must not be empty")
    return text


class PublishRequest(Request):
    """Where to push to."""

    repository: Annotated[str, AfterValidator(_stripped), Field(max_length=200)]
    """``name`` or ``owner/name``."""
    token: SecretStr
    private: bool = True


class PublishTask:
    """See `session.Task`; `Publisher.run` runs it."""

    name: ClassVar[str] = "publish"
    request_type: ClassVar[type[PublishRequest]] = PublishRequest


class Publisher:
    """Pushes visitors' models.

    Args:
        trainings: Where they are.
        endpoint: Of the Hub; ``None``: huggingface_hub's own choice.
    """

    def __init__(self, trainings: Trainings, endpoint: str | None = None) -> None:
        self._trainings, self._endpoint = trainings, endpoint

    def run(
        self,
        task: Task[Any, Any],
        request: PublishRequest,
        *,
        model_id: str = "",
        client: str = "local",
        cancel: CancelToken | None = None,
    ) -> Generator[Event, None, None]:
        """Push a client's model; the result is its address. Arguments as of `Engine.run`.

        Raises:
            InputError: There is no model, or the Hub refuses name or token.
            BackendError: The Hub cannot be reached, or fails.
        """
        result, began = self._trainings.done(client), time.monotonic()
        assert result.folder is not None
        yield Progress(0, 1)
        address = push(result.folder, request, self._endpoint)
        milliseconds = (time.monotonic() - began) * 1000
        yield Completed(address, RunStats(result.base.id, "cpu", milliseconds, milliseconds))


def push(folder: Path, request: PublishRequest, endpoint: str | None = None) -> str:
    """Create the repository if it is not there, and upload a folder in one commit; gives its address.

    Raises:
        InputError: The Hub refuses name or token.
        BackendError: The Hub cannot be reached, or fails.
    """
    from huggingface_hub import HfApi

    token = request.token.get_secret_value().strip()
    if not token:
        raise InputError("token", "must not be empty")
    api = HfApi(endpoint=endpoint, token=token)
    with told_plainly():
        made = api.create_repo(request.repository, private=request.private, exist_ok=True)
        api.upload_folder(repo_id=made.repo_id, folder_path=folder, commit_message="Upload of a classifier")
    return str(made)


def write_zip(folder: Path, file: Path) -> None:
    """Pack a model's folder; weights as they are, since they do not become smaller.

    Args:
        folder: In the Hub's format.
        file: To write; the archive's one folder is named after it.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in sorted(folder.iterdir()):
            kind = zipfile.ZIP_STORED if each.suffix == ".safetensors" else zipfile.ZIP_DEFLATED
            archive.write(each, f"{file.stem}/{each.name}", kind)
