"""The calls that make a Space what the repository is: create, settings, one commit, wait for the build.

What is on the Hub already is not sent again, so that a deployment that broke off goes on when it is run again.
The token and the values of secrets are in no output, log or error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llm_core.deploy.bundle import BundleFile
from llm_core.deploy.requirements import Gpu
from llm_core.errors import BackendError, InputError
from llm_core.hub_writes import told_plainly

if TYPE_CHECKING:
    from huggingface_hub import HfApi, SpaceRuntime

POLL_SECONDS = 3.0
GRACE_SECONDS = 20.0
"""So long after a commit the Hub may not have noticed it."""
LOG_LINES = 40
"""Of the end of a failed build's log."""
_KEPT = ".gitattributes"
"""The Hub's own."""
_UNDER_WAY = frozenset({"BUILDING", "RUNNING_BUILDING", "APP_STARTING", "RUNNING_APP_STARTING"})
_UNRUNNABLE = frozenset({"BUILD_ERROR", "CONFIG_ERROR", "NO_APP_FILE", "RUNTIME_ERROR"})
_ZERO_GPU = "zero-"

Step = tuple[str, Callable[[], None]]
"""What it does, in words; and how."""


@dataclass(frozen=True, slots=True)
class SpaceOptions:
    """Where the page goes, and on what."""

    repository: str
    """``owner/name``."""
    hardware: str = "cpu-basic"
    private: bool = False
    sleep_seconds: int | None = None
    """Without visitors, until the Space sleeps and costs nothing; ``None``: as the Hub decides."""
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    wait_seconds: float = 1800.0
    """For the build."""

    def __post_init__(self) -> None:
        from huggingface_hub import SpaceHardware

        owner, _, name = self.repository.partition("/")
        if not (owner and name) or "/" in name:
            raise InputError("repository", "must be OWNER/NAME", self.repository)
        known = [flavour.value for flavour in SpaceHardware]
        if self.hardware not in known:
            raise InputError("hardware", f"must be one of {', '.join(known)}", self.hardware)
        if self.sleep_seconds is not None and (self.hardware == "cpu-basic" or self.has_zero_gpu):
            raise InputError("sleep_time", f"cannot be chosen on {self.hardware}, which sleeps after 48 hours")

    @property
    def has_zero_gpu(self) -> bool:
        """Whether the Space is lent a GPU for each call."""
        return self.hardware.startswith(_ZERO_GPU)

    @property
    def gpu(self) -> Gpu:
        """See `requirements`."""
        return "lent" if self.has_zero_gpu else "none" if self.hardware.startswith("cpu-") else "own"


class Deployment:
    """One run.

    Args:
        options: Where to, and on what.
        files: What goes up; anything else that the Space holds is removed.
        api: The Hub, with the token.
        tell: Shown what happens, a line at a time.
    """

    def __init__(
        self, options: SpaceOptions, files: Sequence[BundleFile], api: HfApi, tell: Callable[[str], None]
    ) -> None:
        self._options, self._files, self._api, self._tell = options, files, api, tell
        self._commit, self._committed_at, self._changed, self._stage_before = "", 0.0, False, ""

    def steps(self) -> list[Step]:
        """What `run` does, in order."""
        options = self._options
        kind = "private" if options.private else "public"
        total = sum(file.size for file in self._files)
        return [
            (f"create the {kind} Space {options.repository} on {options.hardware}, unless it is there", self._create),
            *((f"set the secret {name}", self._set_secret(name)) for name in options.secrets),
            *((f"set the variable {name}", self._set_variable(name)) for name in options.variables),
            (f"ask for {options.hardware}, unless it has it", self._request_hardware),
            (f"commit {len(self._files)} files, {total / 1e6:.1f} MB, less what is there already", self._upload),
            ("wait for the build", self._wait),
        ]

    def run(self) -> None:
        """Do it all.

        Raises:
            InputError: The Hub refuses name or token.
            BackendError: The Hub cannot be reached, or fails; or the build does.
        """
        with told_plainly():
            for words, do in self.steps():
                self._tell(words)
                do()

    def _create(self) -> None:
        repository, private = self._options.repository, self._options.private
        self._api.create_repo(repository, repo_type="space", space_sdk="gradio", private=private, exist_ok=True)
        if private and not self._api.space_info(repository).private:
            self._api.update_repo_settings(repository, private=True, repo_type="space")

    def _set_secret(self, name: str) -> Callable[[], None]:
        repository, value = self._options.repository, self._options.secrets[name]
        return lambda: self._api.add_space_secret(repository, name, value)

    def _set_variable(self, name: str) -> Callable[[], None]:
        repository, value = self._options.repository, self._options.variables[name]

        def set_it() -> None:
            known = self._api.get_space_variables(repository).get(name)
            if known is None or known.value != value:  # each change restarts the Space
                self._api.add_space_variable(repository, name, value)

        return set_it

    def _request_hardware(self) -> None:
        from huggingface_hub import SpaceHardware

        repository, sleep_seconds = self._options.repository, self._options.sleep_seconds
        runtime = self._api.get_space_runtime(repository)
        if (runtime.requested_hardware or runtime.hardware or "cpu-basic") != self._options.hardware:
            wanted = SpaceHardware(self._options.hardware)
            self._api.request_space_hardware(repository, wanted, sleep_time=sleep_seconds)
        elif sleep_seconds is not None and runtime.sleep_time != sleep_seconds:
            self._api.set_space_sleep_time(repository, sleep_seconds)

    def _upload(self) -> None:
        from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete

        repository = self._options.repository
        before = self._api.space_info(repository)
        self._stage_before = str(self._api.get_space_runtime(repository).stage)
        wanted = {file.path for file in self._files}
        there = {sibling.rfilename for sibling in before.siblings or ()}
        surplus = sorted(there - wanted - {_KEPT})
        operations: list[CommitOperationAdd | CommitOperationCopy | CommitOperationDelete] = [
            *(CommitOperationDelete(path_in_repo=path) for path in surplus),
            *(CommitOperationAdd(path_in_repo=file.path, path_or_fileobj=file.content) for file in self._files),
        ]
        made = self._api.create_commit(
            repository, operations, repo_type="space", commit_message="Deployment of the language model showcase"
        )
        self._commit, self._committed_at, self._changed = made.oid, time.monotonic(), made.oid != before.sha
        if not self._changed:
            self._tell("nothing has changed since the last deployment")

    def _wait(self) -> None:
        until, shown = time.monotonic() + self._options.wait_seconds, ""
        while True:
            runtime = self._api.get_space_runtime(self._options.repository)
            if runtime.stage != shown:
                shown = str(runtime.stage)
                self._tell(f"stage: {shown.lower().replace('_', ' ')}")
            if self._is_settled(runtime):
                break
            if time.monotonic() > until:
                waited = f"{self._options.wait_seconds:g} s"
                raise BackendError(f"after {waited} the Space is still {shown}; it goes on building at {self.page}")
            time.sleep(POLL_SECONDS)
        if runtime.stage in _UNRUNNABLE:
            self._explain(runtime)
            raise BackendError(f"the Space does not run ({runtime.stage}); its log is at {self.page}?logs=build")
        self._tell(self.page)

    def _is_settled(self, runtime: SpaceRuntime) -> bool:
        """Whether the stage will last, and is of this commit: for a moment the Hub shows that of the one before."""
        if runtime.stage in _UNDER_WAY:
            return False
        if runtime.stage == "RUNNING" and "sha" in runtime.raw:
            return bool(runtime.raw["sha"] == self._commit)
        noticed = runtime.stage != self._stage_before or time.monotonic() - self._committed_at > GRACE_SECONDS
        return not self._changed or noticed

    def _explain(self, runtime: SpaceRuntime) -> None:
        if message := runtime.raw.get("errorMessage"):
            self._tell(str(message))
        lines = self._api.fetch_space_logs(self._options.repository, build=runtime.stage != "RUNTIME_ERROR")
        for line in list(lines)[-LOG_LINES:]:
            self._tell(line.rstrip("\n"))

    @property
    def page(self) -> str:
        """The Space's address."""
        return f"{self._api.endpoint}/spaces/{self._options.repository}"
