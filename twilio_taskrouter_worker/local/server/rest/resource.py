"""Resources as tables: the five common operations of most resources, built from their differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from ...engine import commands
from ..http.filters import Filter, Orders, select
from ..http.forms import Param, read
from .call import Answer, Call, Operation
from .paging import page
from .shapes import Shaper


@attrs.frozen
class Change:
    """A command and the parameters it is made from."""

    command: Callable[..., commands.Command]
    parameters: tuple[Param, ...] = ()
    takes_if_match: bool = False


@attrs.frozen(kw_only=True)
class Resource:
    """One resource of the API.

    ``path`` is that of its list; ``instance`` is the variable that the path of one object adds, and ``fields`` says
    which field of the commands each variable of a path fills.
    """

    name: str
    """Singular, as the official names of its operations have it."""
    path: str
    key: str
    """Name of the array in lists."""
    shape: Shaper
    list_records: Callable[[Call], Sequence[Any]]
    fetch_record: Callable[[Call], Any]
    fields: Mapping[str, str]
    create: Change | None = None
    update: Change | None = None
    delete: Change | None = None
    filters: tuple[Filter, ...] = ()
    orders: Orders | None = None
    etag: Callable[[Any], int] | None = None

    def operations(self) -> tuple[Operation, ...]:
        """Return the operations this resource has."""
        one = f"{self.path}/{{Sid}}"
        found = [
            Operation(f"List{self.name}", "GET", self.path, self._list),
            Operation(f"Fetch{self.name}", "GET", one, self._fetch),
        ]
        if self.create is not None:
            found.append(Operation(f"Create{self.name}", "POST", self.path, self._create))
        if self.update is not None:
            found.append(Operation(f"Update{self.name}", "POST", one, self._update))
        if self.delete is not None:
            found.append(Operation(f"Delete{self.name}", "DELETE", one, self._delete))
        return tuple(found)

    def _list(self, call: Call) -> Answer:
        # Records first: an unknown path is a 404 even if a filter is invalid.
        records = self.list_records(call)
        found = select(records, call.scope(), call.query, self.filters, self.orders)
        return Answer(200, page(call, self.key, found, self.shape))

    def _fetch(self, call: Call) -> Answer:
        return self._answer(call, 200, self.fetch_record(call))

    def _create(self, call: Call) -> Answer:
        assert self.create is not None
        return self._answer(call, 201, self._execute(call, self.create))

    def _update(self, call: Call) -> Answer:
        assert self.update is not None
        return self._answer(call, 200, self._execute(call, self.update))

    def _delete(self, call: Call) -> Answer:
        assert self.delete is not None
        self._execute(call, self.delete)
        return Answer(204)

    def _execute(self, call: Call, change: Change) -> Any:
        fields: dict[str, Any] = {self.fields[name]: value for name, value in call.path.items()}
        fields.update(read(change.parameters, call.form))
        # Resources without a version ignore the header.
        if change.takes_if_match:
            fields["if_match"] = call.if_match
        return call.execute(change.command(**fields))

    def _answer(self, call: Call, status: int, record: Any) -> Answer:
        return Answer(status, self.shape(record, call.base, call.now), self._etag(call, record))

    def _etag(self, call: Call, record: Any) -> str | None:
        if self.etag is None:
            return None
        version = self.etag(record)
        return f'"{version}"' if call.service.rules.etag_quoted else str(version)
