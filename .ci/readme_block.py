"""Print one named code block of README.rst, exactly as it stands there.

    python .ci/readme_block.py demo

A block is named by the ``:name:`` option of its ``code-block`` directive.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.rst"


def readme_block(name: str, text: str | None = None) -> str:
    """Return the text of the code block called ``name``; raise ``LookupError`` where there is not exactly one."""
    text = README.read_text(encoding="utf-8") if text is None else text
    blocks = re.findall(
        rf"^\.\. code-block:: \w+\n[ ]+:name: {re.escape(name)}\n\n((?:[ ]+.*\n|\n)+)", text, flags=re.MULTILINE
    )
    if len(blocks) != 1:
        raise LookupError(f"README.rst has {len(blocks)} code blocks named {name!r}; there must be exactly one")
    return textwrap.dedent(blocks[0]).strip("\n") + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: readme_block.py NAME")
    try:
        print(readme_block(sys.argv[1]), end="")
    except LookupError as missing:
        raise SystemExit(str(missing)) from None
