"""Events on their way out: bridge sessions, frames, payloads, webhooks, the event log and statistics facts."""
