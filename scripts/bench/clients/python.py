# python3 python.py PROJECT SECONDS ROWS, with the client on PYTHONPATH
import json
import sys
import time

import cinch

project, seconds, rows = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])


def read_for(client, seconds):
    started_at = time.perf_counter()
    reads = 0
    while time.perf_counter() - started_at < seconds:
        reads += 1
        id = reads * 48_271 % 2_147_483_647 % rows + 1
        row = client.call("row.get", table="item", id=id)["row"]
        if row is None or row["id"] != id or row["name"] != f"name of {id}":
            raise AssertionError(f"{id} is not {row}")
    return {"reads": reads, "seconds": time.perf_counter() - started_at}


with cinch.connect(project, start=False) as client:
    read_for(client, 0.3)
    print(json.dumps(read_for(client, seconds)))
