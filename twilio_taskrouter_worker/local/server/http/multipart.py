"""Bodies of type ``multipart/form-data``, as ``curl -F`` and older helper libraries send them."""

from __future__ import annotations

from email.message import Message
from email.parser import BytesHeaderParser

from . import refusals

_MOST_HEADER_BYTES = 8 * 1024
"""How long the headers of one part may be."""

Pairs = list[tuple[str, str]]


def fields(body: bytes, content_type: str, most: int) -> Pairs:
    """Return the names and values of a body's fields, in order.

    Args:
        body: The whole body.
        content_type: The header of the request, which names the boundary.
        most: How many fields there may be.

    Raises:
        Rejected: It is garbled, has a file or text that is not UTF-8, or has too many fields (400).
    """
    boundary = _parameter(content_type, "boundary")
    if not boundary:
        raise refusals.invalid("The Content-Type multipart/form-data needs a boundary")
    # The line break before a delimiter belongs to the delimiter, not to the value (RFC 2046).
    delimiter = b"\r\n--" + boundary.encode("utf-8", "surrogateescape")
    # The first delimiter needs no line before it.
    parts = (b"\r\n" + body).split(delimiter, most + 2)
    if len(parts) > most + 2:
        raise refusals.invalid(f"There are more than {most} parameters")
    # The last delimiter is followed by two dashes; without them the body was cut off.
    if len(parts) < 2 or not parts[-1].startswith(b"--"):
        raise refusals.invalid("The request body is garbled: its last boundary is missing")
    return [_field(part) for part in parts[1:-1]]


def _field(part: bytes) -> tuple[str, str]:
    head, blank, value = part.partition(b"\r\n\r\n")
    if not blank or len(head) > _MOST_HEADER_BYTES:
        raise refusals.invalid("The request body is garbled: a part has no headers, or headers without end")
    headers = BytesHeaderParser().parsebytes(head.lstrip())
    disposition = headers.get("Content-Disposition", "")
    name = _parameter(disposition, "name")
    if name is None:
        raise refusals.invalid("The request body is garbled: a part has no name")
    if _parameter(disposition, "filename") is not None:
        raise refusals.invalid(f"The parameter {name[:60]} is a file; parameters are text")
    try:
        return name, value.decode("utf-8")
    except UnicodeDecodeError:
        raise refusals.invalid("The parameters are not UTF-8 text") from None


def _parameter(header: str, name: str) -> str | None:
    """Return a parameter of a header such as ``form-data; name="FriendlyName"``."""
    # The parser of the standard library knows quotes and escapes.
    message = Message()
    message["Content-Type"] = header
    value = message.get_param(name)
    return value if isinstance(value, str) else None
