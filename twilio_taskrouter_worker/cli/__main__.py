"""``python -m twilio_taskrouter_worker.cli`` does what ``taskrouter`` does."""

import sys

from twilio_taskrouter_worker.cli import main

sys.exit(main())
