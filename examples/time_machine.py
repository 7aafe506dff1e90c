"""What if the workflow had an overflow? A router is forked, its workflow changed, and both futures are compared.

python examples/time_machine.py
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from twilio_taskrouter_worker.local import LocalTaskRouter, compare

with LocalTaskRouter(clock="virtual") as router:
    # Greta, the only one who speaks German, is away.
    router.add_worker("Alice", attributes={"languages": ["en"]}, activity="Available")
    router.add_worker("Greta", attributes={"languages": ["de"]})
    german = router.add_queue("German", target_workers="languages HAS 'de'")
    english = router.add_queue("English", target_workers="languages HAS 'en'")
    configuration: dict[str, Any] = {
        "task_routing": {
            "filters": [{"expression": "language == 'de'", "targets": [{"queue": german}]}],
            "default_filter": {"queue": english},
        }
    }
    router.add_workflow("Support", configuration)
    first = router.create_task({"language": "de", "customer": "+4930901820"}, workflow="Support")
    second = router.create_task({"language": "de", "customer": "+4940428999"}, workflow="Support")
    router.clock.advance(300)

    print("What happened so far:")
    for moment in router.history().about(first):
        print(moment)
    print("\nWhy the first task waited two minutes ago:")
    two_minutes_ago = datetime.fromtimestamp(router.clock.now() - 120, timezone.utc)
    print(router.at(two_minutes_ago).explain(first))

    # A second router that begins now, with the same sids. There, German tasks go to everybody after 30 seconds.
    with router.fork() as fork:
        configuration["task_routing"]["filters"] = [
            {"expression": "language == 'de'", "targets": [{"queue": german, "timeout": 30}, {"queue": english}]}
        ]
        fork.update_workflow("Support", configuration, re_evaluate_tasks=True)
        for each in (router, fork):
            each.clock.advance(60)

        comparison = compare(router, fork)
        print(f"\n{comparison}\n")
        offered = [task for task in comparison.differing if task.pair("worker") == (None, "Alice")]
        print(f"{len(comparison.differing)} tasks go another way, {len(offered)} of them to Alice")
