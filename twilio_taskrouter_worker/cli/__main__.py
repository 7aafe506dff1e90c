"""``python -m twilio_taskrouter_worker.cli`` is the same as ``taskrouter``."""

import sys

from twilio_taskrouter_worker.cli import main

sys.exit(main())
