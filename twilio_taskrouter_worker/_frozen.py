"""Read-only JSON values: the form in which attributes are returned.

They are subclasses of dict and list, so that ``json``, ``==`` and ``isinstance`` work as for any JSON value. Every
method that would change them raises TypeError; ``copy()``, :mod:`copy` and :mod:`pickle` give plain dicts and lists,
all the way down.
"""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["FrozenDict", "FrozenList", "frozen"]


def _refuse(self: object, *args: object, **kwargs: object) -> NoReturn:
    raise TypeError(
        "attributes are read-only, since a change here would not reach TaskRouter; pass a changed copy to "
        "set_attributes(), e.g. {**attributes, 'key': value}"
    )


def _thawed(value: Any) -> Any:
    """A plain copy of a JSON value."""
    if isinstance(value, dict):
        return {key: _thawed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_thawed(item) for item in value]
    return value


class FrozenDict(dict[str, Any]):
    """A JSON object."""

    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def copy(self) -> dict[str, Any]:
        """A plain copy, all the way down."""
        return _thawed(self)  # type: ignore[no-any-return]

    __copy__ = copy

    def __deepcopy__(self, memo: object) -> dict[str, Any]:
        return self.copy()

    # A plain dict: the process that unpickles it need not have this package.
    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return dict, (self.copy(),)


class FrozenList(list[Any]):
    """A JSON array."""

    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def copy(self) -> list[Any]:
        """A plain copy, all the way down."""
        return _thawed(self)  # type: ignore[no-any-return]

    __copy__ = copy

    def __deepcopy__(self, memo: object) -> list[Any]:
        return self.copy()

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return list, (self.copy(),)


def frozen(value: dict[str, Any]) -> FrozenDict:
    """Make a parsed JSON object read-only at all levels; no other thread may change it meanwhile.

    Values within ``value`` are frozen in place, so that a second call copies the outermost object only.

    Args:
        value: The object.

    Returns:
        The read-only object.
    """
    # Exact types: those within that are frozen already are left alone.
    for key, item in value.items():
        kind = type(item)
        if kind is dict:
            value[key] = frozen(item)
        elif kind is list:
            value[key] = _frozen_list(item)
    return FrozenDict(value)


def _frozen_list(items: list[Any]) -> FrozenList:
    for index, item in enumerate(items):
        kind = type(item)
        if kind is dict:
            items[index] = frozen(item)
        elif kind is list:
            items[index] = _frozen_list(item)
    return FrozenList(items)
