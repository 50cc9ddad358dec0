"""A plugin of cinch in Python: every tenant may have so many SQL statements a minute, as long as it runs.

    PYTHONPATH=protocol/clients/python python3 rate_limit.py 600

`plugin.rate-limit.used` tells how many a tenant had in the last minute. A limit that has to hold while nobody runs this is one
for a plugin in the daemon.
"""

import collections
import sys
import time
from typing import Any, Deque, Dict, Optional, Tuple

import cinch

WINDOW_SECONDS = 60.0


class RateLimit(cinch.Plugin):
    name = "rate-limit"
    version = "1.0.0"
    description = "Every tenant may have so many SQL statements a minute."

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.times: Dict[Tuple[str, str, str], Deque[float]] = collections.defaultdict(collections.deque)
        self.methods = {
            "used": cinch.PluginMethod(
                self.used, "Tell how many statements a tenant had in the last minute.", result={"type": "integer"}, read_only=True
            )
        }

    def before_query(self, query: cinch.Query) -> Optional[cinch.Veto]:
        times = self.recent(query.database, query.branch, query.tenant)
        if len(times) >= self.limit:
            seconds = times[0] + WINDOW_SECONDS - time.monotonic()
            return cinch.Veto(f"{self.limit} statements a minute are allowed; try again in {seconds:.0f} s")
        times.append(time.monotonic())
        return None

    def on_event(self, event: Dict[str, Any]) -> None:
        if event["kind"] == "tenantDeleted":
            self.times.pop((event["database"], event["branch"], event["tenant"]), None)

    def used(self, params: Dict[str, Any], scope: Dict[str, str]) -> int:
        return len(self.recent(scope["database"], scope["branch"], scope["tenant"]))

    def recent(self, database: str, branch: str, tenant: str) -> Deque[float]:
        times = self.times[database, branch, tenant]
        while times and times[0] < time.monotonic() - WINDOW_SECONDS:
            times.popleft()
        return times


def main() -> None:
    with cinch.connect() as db:
        db.register(RateLimit(int(sys.argv[1])))
        print("ready", flush=True)
        # The plugin works in a thread of its own, until our standard input is closed.
        sys.stdin.read()


if __name__ == "__main__":
    main()
