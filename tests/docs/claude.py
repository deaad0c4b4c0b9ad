"""What stands in for Claude Code where a page runs it: reads a file, asks the gateway, writes the answer.

The real one is driven by tests/clients.
"""

import json
import os
import sys
import urllib.request
from pathlib import Path


def main() -> int:
    """Send what the prompt and the file hold, the latter also as the text that the fake provider answers to."""
    given = Path("demo.env")
    result = given.read_text() if given.exists() else "nothing"
    call = {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"file_path": "demo.env"}}
    answer = {"type": "tool_result", "tool_use_id": "toolu_1", "content": result}
    body = {
        "model": "claude-sonnet-4-6",
        "max_tokens": 100,
        "stream": True,
        "messages": [
            {"role": "user", "content": " ".join(sys.argv[1:]) or "Hello."},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [answer, {"type": "text", "text": result}]},
        ],
    }
    request = urllib.request.Request(
        os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages",
        json.dumps(body).encode(),
        {"content-type": "application/json", "anthropic-version": "2023-06-01", "x-api-key": "none"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    text = ""
    with opener.open(request, timeout=30) as answer:
        for line in answer:
            if line.startswith(b"data:") and b"text_delta" in line:
                text += json.loads(line[5:])["delta"]["text"]
    if given.exists():
        Path("copy.txt").write_text(text)
    print("Done.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
