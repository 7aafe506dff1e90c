"""``python -m twilio_taskrouter_worker``: the command ``taskrouter``."""

import sys

from twilio_taskrouter_worker.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
