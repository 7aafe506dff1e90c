"""Reads a service over REST as if it were the engine: a local TaskRouter in another process, or Twilio's own.

Every list blocks for its requests; one request may take up to 30 seconds.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import requests

from ..._local_url import next_query
from ...errors import SeedError
from ..engine.model import TASK_FINAL

_PAGE_SIZE = 1000
_TIMEOUT_SECONDS = 30.0


class Record:
    """A REST resource with its fields as attributes, named like those of the engine's records."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def __getattr__(self, name: str) -> Any:
        try:
            return self._fields[name]
        except KeyError:
            # As attribute access is expected to fail, for getattr() with a default.
            raise AttributeError(name) from None

    @property
    def final(self) -> bool:
        """Whether a task has ended.

        Raises:
            KeyError: The resource is not a task.
        """
        return self._fields["assignment_status"] in TASK_FINAL

    @property
    def virtual_start_time(self) -> float:
        """The time from which a task's age in its queue counts (unix seconds).

        Raises:
            ValueError: The service sent an unreadable date.
        """
        text: str = self._fields.get("virtual_start_time") or self._fields["date_created"]
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class RemoteService:
    """The lists of a service, each read anew by every call. Calls block; use it from one thread at a time.

    Args:
        url: The root of the service, such as ``http://127.0.0.1:4100``; ``/v1`` is added.
        account_sid: User name of the REST API.
        auth_token: Password of the REST API.
        workspace_sid: The only workspace to read; None: all.

    Raises:
        SeedError: (each method) The service cannot be reached, or refuses; the message has the reason.
    """

    def __init__(self, url: str, account_sid: str, auth_token: str, workspace_sid: str | None = None) -> None:
        self._root = url.rstrip("/")
        self._session = requests.Session()
        self._session.auth = (account_sid, auth_token)
        self._workspace_sid = workspace_sid

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def workspaces(self) -> list[Any]:
        """Return the workspaces, or only the one that was chosen. Blocks.

        Raises:
            SeedError: The service cannot be reached, or refuses.
        """
        # Read by itself, so that an unknown sid is reported and not just missing from a list.
        if self._workspace_sid is not None:
            return [Record(self._get(f"{self._root}/v1/Workspaces/{self._workspace_sid}"))]
        return self._list("", "workspaces")

    def activities(self, workspace_sid: str) -> list[Any]:
        """Return the activities of a workspace. Blocks.

        Args:
            workspace_sid: Sid of the workspace, as the service spells it.

        Raises:
            SeedError: The service cannot be reached, or refuses.
        """
        return self._list(f"/{workspace_sid}/Activities", "activities")

    def task_channels(self, workspace_sid: str) -> list[Any]:
        """Return the task channels of a workspace. Blocks.

        Args:
            workspace_sid: Sid of the workspace, as the service spells it.

        Raises:
            SeedError: The service cannot be reached, or refuses.
        """
        return self._list(f"/{workspace_sid}/TaskChannels", "channels")

    def queues(self, workspace_sid: str) -> list[Any]:
        """Return the task queues of a workspace. Blocks.

        Args:
            workspace_sid: Sid of the workspace, as the service spells it.

        Raises:
            SeedError: The service cannot be reached, or refuses.
        """
        return self._list(f"/{workspace_sid}/TaskQueues", "task_queues")

    def workflows(self, workspace_sid: str) -> list[Any]:
        """Return the workflows of a workspace. Blocks.

        Args:
            workspace_sid: Sid of the workspace, as the service spells it.

        Raises:
            SeedError: The service cannot be reached, or refuses.
        """
        return self._list(f"/{workspace_sid}/Workflows", "workflows")

    def workers(self, workspace_sid: str) -> list[Any]:
        """Return the workers of a workspace. Blocks.

        Args:
            workspace_sid: Sid of the workspace, as the service spells it.

        Raises:
            SeedError: The service cannot be reached, or refuses.
        """
        return self._list(f"/{workspace_sid}/Workers", "workers")

    def channels(self, workspace_sid: str, worker_sid: str) -> list[Any]:
        """Return the channels of a worker. Blocks.

        Args:
            workspace_sid: Sid of the workspace, as the service spells it.
            worker_sid: Sid of the worker, as the service spells it.

        Raises:
            SeedError: The service cannot be reached, or refuses.
        """
        return self._list(f"/{workspace_sid}/Workers/{worker_sid}/Channels", "channels")

    def tasks(self, workspace_sid: str) -> list[Any]:
        """Return the tasks of a workspace, including ended ones that are not purged. Blocks.

        Args:
            workspace_sid: Sid of the workspace, as the service spells it.

        Raises:
            SeedError: The service cannot be reached, or refuses.
        """
        return self._list(f"/{workspace_sid}/Tasks", "tasks")

    def _list(self, path: str, key: str) -> list[Any]:
        found: list[Any] = []
        query = f"PageSize={_PAGE_SIZE}"
        # The service returns the URL of the next page, or null after the last one.
        while query:
            page = self._get(f"{self._root}/v1/Workspaces{path}?{query}")
            try:
                found += [Record(fields) for fields in page[key]]
                query = next_query(page["meta"]["next_page_url"])
            # Valid JSON, but not that of a TaskRouter list.
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise self._not_taskrouter() from error
        return found

    def _not_taskrouter(self) -> SeedError:
        return SeedError(f"{self._root} is not a TaskRouter service")

    def _get(self, url: str) -> Any:
        try:
            answer = self._session.get(url, timeout=_TIMEOUT_SECONDS)
        except requests.RequestException as error:
            # Not its text, which contains internals of the HTTP library.
            what = type(error).__name__
            raise SeedError(f"Cannot reach {self._root}: {what}. Is the service running there?") from error
        if answer.status_code != 200:
            hint = {401: "; check the account sid and the auth token", 404: "; check the workspace sid"}
            raise SeedError(f"{self._root} answered {answer.status_code}{hint.get(answer.status_code, '')}")
        try:
            return answer.json()
        except ValueError as error:
            raise self._not_taskrouter() from error
