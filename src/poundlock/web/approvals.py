"""The approvals' own listener: pages behind signed links, and an API for a console. A raw ASGI application.

Who answers is whom a signed link names, or whose credential it is; a credential of a task answers nothing, since a tool
must not answer for a person. It must never send anything to a provider, and never show a value: surroundings are masked
before they are sealed. A page holds no script, and no other site can frame it, post to it or learn its address.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec

from poundlock import compose
from poundlock.adapters import keys, places
from poundlock.core.errors import ClientFault, Fault
from poundlock.web import requests

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping

    from poundlock.adapters.credentials import Credentials
    from poundlock.adapters.sqlite import ApprovalFile, SqliteStore
    from poundlock.config import Settings
    from poundlock.core.approvals import Approval

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

LARGEST = 4096
"""Bytes of an answer."""
LONGEST = 200
"""Characters of a reason."""
_SAFE = [
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; form-action 'self'; frame-ancestors 'none'"),
]


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    """What the API takes."""

    yes: bool
    scope: str = "once"
    reason: str = ""


class ApprovalPages:
    """The application."""

    def __init__(
        self,
        settings: Settings,
        store: SqliteStore,
        known: ApprovalFile,
        credentials: Credentials,
        sensitive: Callable[[str], bool],
    ) -> None:
        """Join what it needs; `sensitive` tells of a reason whether it holds what must not go on record."""
        self._settings = settings
        self._store = store
        self._known = known
        self._credentials = credentials
        self._sensitive = sensitive

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            try:
                status, kind, body = await self._http(scope, receive)
            except Fault as fault:
                status, kind, body = fault.status, "application/json", _told(fault)
            headers = [(b"content-type", kind.encode()), *_SAFE]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._store.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._known.close()
        await self._store.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Scope, receive: Receive) -> tuple[int, str, bytes]:
        """Answer a request: status, content type, body. Raises: `Fault`."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        self._door(scope, headers)
        path, method = scope["path"], scope["method"]
        if path == "/healthz":
            return 200, "application/json", b'{"status":"ok"}'
        if path == "/api/approvals" and method == "GET":
            self._caller(headers)
            return 200, "application/json", msgspec.json.encode(self._known.pending())
        if path.startswith("/api/approvals/") and method == "POST":
            by = self._caller(headers)
            try:
                said = msgspec.json.decode(await _body(receive), type=_Answer)
            except msgspec.MsgspecError:
                raise ClientFault("The answer can't be read.", advice='Send {"yes": true, "scope": "once"}.') from None
            changed = await self._answer(path[15:], by, said.yes, said.scope, said.reason, "API")
            return 200, "application/json", msgspec.json.encode(changed)
        if path.startswith("/approvals/") and method in {"GET", "POST"}:
            return await self._page(scope, receive, path[11:])
        raise ClientFault("There is no such page.", status=404)

    async def _page(self, scope: Scope, receive: Receive, id_: str) -> tuple[int, str, bytes]:
        """Show what a signed link is about, or take the answer."""
        asked = {name: values[0] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
        by, until = asked.get("by", ""), asked.get("until", "")
        if not (until.isdigit() and self._known.good_link(id_, by, int(until), asked.get("sig", ""))):
            raise ClientFault("This link is not good, or has ended.", advice="Ask for it anew.", status=403)
        found = self._known.find(id_)
        if found is None or found.id != id_:
            raise ClientFault("There is no approval of this id.", status=404)
        if scope["method"] == "POST":
            said = {name: values[0] for name, values in parse_qs((await _body(receive)).decode()).items()}
            scope_, reason = said.get("scope", "once"), said.get("reason", "")
            found = await self._answer(id_, by, said.get("answer") == "yes", scope_, reason, "signed link")
            return 200, "text/html; charset=utf-8", _framed(f"<p>It is {html.escape(found.state)}. Thank you.</p>")
        shown = await self._known.excerpts(found)
        return 200, "text/html; charset=utf-8", _framed(_stake(found, shown))

    async def _answer(self, id_: str, by: str, yes: bool, scope: str, reason: str, through: str) -> Approval:
        reason = " ".join(reason.split())
        if len(reason) > LONGEST or (reason and self._sensitive(reason)):
            raise ClientFault("The reason is too long, or holds something sensitive.", advice="Say it in a few words.")
        known: dict[str, Any] = {"once": "once", "task": "task", "day": "day"}
        if scope not in known:
            raise ClientFault("The scope is once, task or day.")
        names = self._settings.approvals.approvers
        return await self._known.answer(
            id_, by=by, yes=yes, scope=known[scope], reason=reason, approvers=names, through=through
        )

    def _caller(self, headers: Mapping[str, str]) -> str:
        """Say whose credential it is. Raises: `ClientFault` for none, and for a task's."""
        token = headers.get("authorization", "").removeprefix("Bearer ")
        found = self._credentials.find(token) if token.startswith("pl_") else None
        if found is None or found.task:
            raise ClientFault(
                "This needs a person's own credential, not a tool's.",
                advice="Send `authorization: Bearer pl_…`.",
                status=401,
            )
        return found.human

    def _door(self, scope: Scope, headers: Mapping[str, str]) -> None:
        """Check `Host`, and that no other site's page posts here. Raises: `ClientFault`."""
        plain = [(n, v) for n, v in scope["headers"] if n.lower() not in {b"origin", b"sec-fetch-site"}]
        refusal = requests.door(plain, self._settings.gateway)
        if refusal is not None:
            raise ClientFault(refusal.message, status=refusal.status)
        if scope["method"] != "GET" and headers.get("origin", "null-free") not in {
            "null-free",
            f"http://{headers['host']}",
            f"https://{headers['host']}",
        }:
            raise ClientFault("Another site's page may not answer.", status=403)


async def _body(receive: Receive) -> bytes:
    data = b""
    while True:
        message = await receive()
        data += bytes(message.get("body", b""))
        if len(data) > LARGEST:
            raise ClientFault("The answer is too long.", status=413)
        if message["type"] != "http.request" or not message.get("more_body"):
            return data


def _told(fault: Fault) -> bytes:
    return msgspec.json.encode({"error": {"message": fault.message, "advice": fault.advice}})


def _framed(inner: str) -> bytes:
    return f"<!doctype html><html lang=en><meta charset=utf-8><title>Poundlock</title><h1>Approval</h1>{inner}".encode()


def _stake(approval: Approval, excerpts: tuple[str, ...]) -> str:
    rows = [
        ("Who", f"{approval.human} with {approval.tool}"),
        ("What", ", ".join(f"{count} × {kind}" for kind, count in approval.kinds)),
        ("Where to", approval.destination),
        ("Why it needs you", approval.why),
        *(("Text", f"… {text} …") for text in excerpts),
    ]
    table = "".join(f"<dt>{html.escape(name)}<dd>{html.escape(value)}" for name, value in rows)
    if approval.state != "pending":
        return f"<dl>{table}</dl><p>It is {html.escape(approval.state)}.</p>"
    scopes = "".join(
        f"<option value={name}>{words}"
        for name, words in (("once", "once"), ("task", "this conversation or task"), ("day", "these values for a day"))
    )
    return (
        f"<dl>{table}</dl><form method=post><label>For <select name=scope>{scopes}</select></label> "
        "<label>Reason <input name=reason maxlength=200></label> "
        "<button name=answer value=yes>Approve</button> <button name=answer value=no>Deny</button></form>"
    )


def application() -> ApprovalPages:
    """Give the application as the configuration says. Raises: `ConfigFault`."""
    keys.disable_core_dumps()
    settings = places.read_settings()
    store, known = compose.approval_store(settings)
    detector = compose.snapshot(settings).detector
    credentials = compose.credentials(settings)
    return ApprovalPages(settings, store, known, credentials, lambda text: bool(detector.detect(text)))
