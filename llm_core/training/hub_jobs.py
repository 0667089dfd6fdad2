"""A training on Hugging Face Jobs: this checkout's code, the recipe and its data go to a repository, which the job
mounts; what it trains goes back there.

    described = HubJob(recipe, "ann/spam-en", flavor="a10g-small")
    described.as_json()     what would be uploaded and called, without secrets
    described.submit(token) does it, and gives the job's address
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from llm_core.data.loaders import find_file
from llm_core.errors import BackendError, InputError
from llm_core.settings import REPOSITORY_ROOT
from llm_core.training.recipe import Recipe
from llm_core.training.run_folder import recipe_toml

IMAGE = "ghcr.io/astral-sh/uv:python3.12-bookworm"
"""What huggingface_hub runs uv scripts in: Python and uv."""
CODE = ("requirements.txt", "requirements-dev.txt", "constraints.txt", "LICENSE")
"""Files that travel besides the package."""
FOLDER, MOUNT = "job", "/repository"
"""Where the code lies in the repository, and where the job finds the repository."""
TOKEN = "HF_TOKEN"
_TIMEOUT = re.compile(r"\d+(\.\d+)?[smhd]?")
_SEVERAL = re.compile(r"x(\d+)$")


@dataclass(frozen=True)
class HubJob:
    """One training to be submitted.

    Args:
        recipe: What to train, with its overrides.
        repository: ``owner/name`` of a model repository; made, private, if it is not there.
        flavor: Hardware, such as ``"a10g-small"`` or ``"a100x4"``, whose four devices run four processes.
        image: Docker image with uv in it.
        timeout: After which the job is ended, such as ``"4h"``.
        data_dir: Folder of data sets to send along; None: the job fetches them from the Hub.
        secrets: Further secrets by name, besides `TOKEN`.
        options: Further words of the command ``train``.

    Raises:
        InputError: A field breaks a rule, or the recipe starts from a directory of this machine.
    """

    recipe: Recipe
    repository: str
    flavor: str = "cpu-basic"
    image: str = IMAGE
    timeout: str = "4h"
    data_dir: Path | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", self.repository):
            raise InputError("repo", "must be OWNER/NAME, a model repository on the Hub", self.repository)
        if not _TIMEOUT.fullmatch(self.timeout):
            raise InputError("timeout", "must be a number with s, m, h or d, such as 4h", self.timeout)
        base = self.recipe.base
        if base is not None and (base.startswith("models/") or Path(base).is_dir()):
            raise InputError("base", "must be a model on the Hub: a job cannot see this machine's folders", base)

    @property
    def processes(self) -> int:
        """One for each device of the flavor."""
        several = _SEVERAL.search(self.flavor)
        return int(several[1]) if several else 1

    @property
    def script(self) -> str:
        """What the job's shell runs."""
        train = ["-m", "llm_core", "train", f"{self.recipe.name}.toml", "--output", "out", *self.options]
        if self.data_dir is not None:
            train += ["--data-dir", "data"]
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={self.processes}"]
        command = [".venv/bin/python", *(launcher if self.processes > 1 else []), *train]
        return "\n".join(
            [
                "set -e",
                f"cp -r {MOUNT}/{FOLDER} /tmp/{FOLDER}",
                f"cd /tmp/{FOLDER}",
                "uv venv --quiet .venv",
                "uv pip install --quiet -r requirements-dev.txt",
                shlex.join(command),
                shlex.join([".venv/bin/hf", "upload", self.repository, "out", ".", "--commit-message", "Trained"]),
            ]
        )

    def call(self) -> dict[str, Any]:
        """Arguments of ``huggingface_hub.run_job``, but for the secrets."""
        return {
            "image": self.image,
            "command": ["bash", "-c", self.script],
            "flavor": self.flavor,
            "timeout": self.timeout,
            "name": self.recipe.name,
            "namespace": self.repository.partition("/")[0],
        }

    def files(self) -> dict[str, Path]:
        """What is uploaded, by its path in the repository; the recipe is written anew."""
        found = {name: REPOSITORY_ROOT / name for name in CODE}
        package = REPOSITORY_ROOT / "llm_core"
        for file in sorted(package.rglob("*")):
            if file.suffix in (".py", ".toml"):
                found[file.relative_to(REPOSITORY_ROOT).as_posix()] = file
        found |= dict(self._data())
        return {f"{FOLDER}/{name}": file for name, file in found.items()}

    def as_json(self) -> str:
        """The upload and the call; secrets by name only."""
        described = {
            "create_repo": {"repo_id": self.repository, "private": True, "exist_ok": True},
            "upload": [f"{FOLDER}/{self.recipe.name}.toml", *self.files()],
            "recipe": recipe_toml(self.recipe),
            "run_job": {
                **self.call(),
                "secrets": sorted({TOKEN, *self.secrets}),
                "volumes": [{"type": "model", "source": self.repository, "mountPath": MOUNT, "readOnly": True}],
            },
        }
        return json.dumps(described, indent=2, ensure_ascii=False)

    def submit(self, token: str | None, endpoint: str | None = None) -> str:
        """Upload and start; gives the job's address.

        Args:
            token: With write access and the right to run jobs; None: that of ``hf auth login``.
            endpoint: Of the Hub; None: huggingface_hub's own choice.

        Raises:
            InputError: There is no token, or the Hub refuses it, or the call.
            BackendError: The Hub cannot be reached, or fails.
        """
        from huggingface_hub import HfApi, Volume, get_token
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError

        token = token or get_token()
        if not token:
            raise InputError("token", f"must be given: set {TOKEN}, or log in with `hf auth login`")
        api = HfApi(endpoint=endpoint, token=token)
        volume = Volume(type="model", source=self.repository, mount_path=MOUNT, read_only=True)
        try:
            api.create_repo(self.repository, private=True, exist_ok=True)
            with TemporaryDirectory() as folder:
                self._gather(Path(folder))
                api.upload_folder(
                    repo_id=self.repository,
                    folder_path=folder,
                    path_in_repo=FOLDER,
                    commit_message="Code, recipe and data of a training",
                )
            job = api.run_job(**self.call(), secrets={**self.secrets, TOKEN: token}, volumes=[volume])
        except HfHubHTTPError as error:
            raise _refused(error.response.status_code if error.response is not None else 0) from None
        except HFValidationError:
            raise InputError("repo", "must be a name that the Hub takes: letters, digits, - _ .") from None
        except Exception as error:  # of the HTTP client; it may quote the request, and with it the token
            raise BackendError(f"the Hub could not be reached ({type(error).__name__})") from None
        return str(job.url)

    def _gather(self, folder: Path) -> None:
        for name, file in self.files().items():
            place = folder / Path(name).relative_to(FOLDER)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
        (folder / f"{self.recipe.name}.toml").write_text(recipe_toml(self.recipe), encoding="utf-8")

    def _data(self) -> Iterator[tuple[str, Path]]:
        if self.data_dir is None:
            return
        measured = [*(score.data for score in self.recipe.scores), *self.recipe.calibrate_on]
        for name in sorted({*(part.name for part in self.recipe.data), *measured}):
            files = [find_file(name, split, self.data_dir) for split in ("train", "validation")]
            if not any(files):
                raise InputError("data", f"must be in {self.data_dir} to be sent along", name)
            yield from ((f"data/{name}/{file.name}", file) for file in files if file is not None)


def named_secrets(names: Collection[str]) -> dict[str, str]:
    """The values of environment variables.

    Raises:
        InputError: One is not set.
    """
    if missing := [name for name in names if not os.environ.get(name)]:
        raise InputError("secret", "must be the name of an environment variable that is set", missing[0])
    return {name: os.environ[name] for name in names}


def _refused(status: int) -> InputError | BackendError:
    if status == 401:
        return InputError("token", "is not one that the Hub knows")
    if status in (402, 403):
        return InputError("token", "may not write to this repository, or run jobs for its owner")
    if status in (400, 404, 422):
        return InputError("flavor", f"or image is not one that the Hub takes (status {status})")
    return BackendError(f"the Hub answered with status {status}")
