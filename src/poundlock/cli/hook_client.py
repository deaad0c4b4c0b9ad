"""The hook's client: takes an agent's event from standard input to the local gateway, and prints what it answers.

Run as `python3 -I -S PATH NOTE EVENT`, since an agent waits for it before every call: it imports next to nothing, reads
no JSON and holds no rule. INVARIANT: whatever goes wrong, a prompt or a call is stopped (exit 2, and what the note of
`poundlock init TOOL --hooks` says for the event) unless that note says `allow`; an exit of 1 would let it run.
"""

import sys

try:
    # What `os` wraps: loading the wrapper takes longer than all that is done here.
    from posix import _exit as leave
    from posix import environ
except ImportError:
    from os import _exit as leave
    from os import environb as environ  # type: ignore[assignment]
try:
    # What `socket` wraps.
    from _socket import AF_INET, SOCK_STREAM
    from _socket import socket as Socket  # noqa: N812 (its own name is a module's)
except ImportError:  # an interpreter without it
    from socket import AF_INET, SOCK_STREAM
    from socket import socket as Socket  # type: ignore[assignment]  # noqa: N812

LIMIT = 30.0
"""Seconds for the gateway's answer to begin, and between its pieces."""
AWAY = (
    "Poundlock's gateway is not running, so this was stopped. Start it (`poundlock serve`), "
    "or take the hooks out (`poundlock init TOOL --hooks --undo`)."
)
_LOOPBACK = "http://127.0.0.1:"


def main(arguments: list[str], event_data: bytes | None = None) -> int:
    """Take one event to its end; `arguments` are the note's path and the event's name. Gives the exit code."""
    event = arguments[1] if len(arguments) > 1 else ""
    lines = []
    try:
        with open(arguments[0], encoding="utf-8") as file:  # noqa: PTH123 (pathlib costs start-up)
            lines = file.read().splitlines()
        agent, port, token = lines[:3]
        # A run of its own (`poundlock run`) has another port and token. Another host is never believed.
        led = environ.get(b"POUNDLOCK_GATEWAY", b"").decode()
        if led.startswith(_LOOPBACK) and led[len(_LOOPBACK) :].isdigit():
            port, token = led[len(_LOOPBACK) :], environ.get(b"POUNDLOCK_TOKEN", b"").decode()
        data = sys.stdin.buffer.read() if event_data is None else event_data
        code, out, err = _asked(int(port), f"/hook/{agent}/{event}", token, data)
    except Exception:  # noqa: BLE001 (whatever it is, the agent must not take it for a yes)
        if lines[3:4] == ["allow"]:
            return 0
        told = [line.split(" ", 2)[1:] for line in lines[4:] if event and line.startswith(event + " ")]
        if event and lines and not told:
            return 0  # an event by which nothing can be stopped
        code, out, err = 2, b"", AWAY.encode()
        if told:
            code, out = int(told[0][0]), told[0][1].encode()
    sys.stdout.buffer.write(out)
    sys.stdout.buffer.flush()
    sys.stderr.buffer.write(err)
    return code


def _asked(port: int, path: str, token: str, data: bytes) -> tuple[int, bytes, bytes]:
    """Ask the gateway; give the exit code, and what is for standard output and standard error."""
    head = (
        f"POST {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(data)}\r\nx-poundlock-hook: 1\r\n"
        + (f"x-poundlock-token: {token}\r\n\r\n" if token else "\r\n")
    )
    connection = Socket(AF_INET, SOCK_STREAM)
    connection.settimeout(LIMIT)
    connection.connect(("127.0.0.1", port))
    connection.sendall(head.encode("ascii") + data)
    pieces = []
    while piece := connection.recv(1 << 16):
        pieces.append(piece)
    connection.close()
    top, mark, body = b"".join(pieces).partition(b"\r\n\r\n")
    fields = [line.partition(b":") for line in top.split(b"\r\n")[1:]]
    values = {name.lower(): value.strip() for name, _, value in fields}
    # An answer that was cut off is none.
    if not mark or len(body) != int(values.get(b"content-length", len(body))):
        raise ValueError
    out, _, err = body.partition(b"\n")
    return int(values[b"x-poundlock-exit"]), out, err


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stderr.flush()
    leave(status)  # what is left to tidy up takes time, and the agent waits
