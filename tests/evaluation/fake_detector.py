"""A detector that keeps to the contract and finds only what starts with `hunter`: for the scorer's own test."""

import json
import re
import sys

for line in sys.stdin:
    asked = json.loads(line)
    found = [
        {
            "rule": "fake",
            "family": "secret",
            "kind": "secret.fake",
            "tier": "restricted",
            "confidence": 100,
            "start": match.start(),
            "end": match.end(),
        }
        for match in re.finditer(r"hunter\w*", asked["text"])
    ]
    sys.stdout.write(json.dumps({"id": asked["id"], "findings": found}) + "\n")
