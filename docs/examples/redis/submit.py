#!/usr/bin/env python3
"""Submits one request over Redis and waits for its result. Needs redis-py (pip install redis).

    REDIS_URL=redis://127.0.0.1:6379 python3 submit.py request.json
"""

import json
import os
import sys
import uuid

import redis

ENDS = {"succeeded", "rejected", "dead", "cancelled"}


def main(path):
    client = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"), decode_responses=True)
    with open(path, encoding="utf-8") as file:
        request = json.load(file)
    # With a key of its own a request may be sent again at any time, and its events can be told from others.
    key = request.setdefault("idempotency_key", str(uuid.uuid4()))

    # Where the streams end now: what happens to the request comes after that.
    at = {}
    for stream in ("sluice:events", "sluice:rejected"):
        newest = client.xrevrange(stream, count=1)
        at[stream] = newest[0][0] if newest else "0"
    entry = client.xadd("sluice:requests", {"request": json.dumps(request)})
    print("sent", entry, "with key", key)

    mine, jobs, ended = None, None, {}
    while jobs is None or len(ended) < jobs:
        for stream, events in client.xread(at, count=500, block=5000) or []:
            for event_id, event in events:
                at[stream] = event_id
                if stream == "sluice:rejected":
                    if event["entry"] == entry:
                        sys.exit("rejected: " + json.loads(event["reason"])["detail"])
                elif event.get("key") == key:
                    mine, jobs = event["request"], int(event["jobs"])
                    print("accepted as", mine, "with", jobs, "jobs")
                elif mine and event.get("request") == mine and event.get("state") in ENDS:
                    ended[event["job"]] = event["state"]
                    print("job", event["job"], event["state"])
    sys.exit(0 if all(state == "succeeded" for state in ended.values()) else 2)


main(sys.argv[1])
