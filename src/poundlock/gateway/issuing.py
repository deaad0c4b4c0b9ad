"""The token endpoint: a task narrows its rights for a sub-agent (RFC 8693), a workload gets a task, a token is renewed.

It awaits and joins; what may be handed on is the rule of `core/identity/tasks.py`. It never gives a credential for a
principal that did not prove itself, and never loosens a binding: what hangs on a bound task is bound.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import parse_qsl

import msgspec

from poundlock.core.errors import ClientFault, Fault, UpstreamFault
from poundlock.core.identity import claims, tasks, workloads
from poundlock.core.identity.tasks import Task
from poundlock.core.model import TIERS, covers
from poundlock.gateway.auth import Refused
from poundlock.ports import Asked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from poundlock.core.identity.registry import Seen
    from poundlock.core.identity.tasks import Standing
    from poundlock.core.identity.workloads import Workload
    from poundlock.core.model import Principal, Tier
    from poundlock.gateway.auth import Callers
    from poundlock.gateway.http import Handler, Request, Respond
    from poundlock.ports import Clock, Signatures

TOKEN = "/oauth/token"  # noqa: S105 (an address)
KEYS = "/oauth/jwks"
PATHS = frozenset({TOKEN, KEYS})
"""What this answers; everything else is the exchange's."""

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
RENEW = "urn:poundlock:grant-type:renew"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
VOUCHED = frozenset({"urn:ietf:params:oauth:token-type:id_token", "urn:ietf:params:oauth:token-type:jwt"})
LARGEST = 65_536


class Ledger(Protocol):
    """The changes of the register that are made here."""

    def now(self) -> int:
        """Give the time."""

    async def open_task(self, task: Task, digest: str, *, what: str = "issued") -> Task:
        """Open a task, on record. Raises `ClientFault` when what it hangs on does not stand."""

    async def renew(self, task: str) -> bool:
        """Let a task live on, if it stands."""

    async def note(self, kind: str, id: str, body: Mapping[str, Any]) -> None:  # noqa: A002 (as records have it)
        """Put something on record."""

    def seen(self, id: str) -> Seen | None:  # noqa: A002 (the word of the register)
        """Give a tool's entry."""

    def task(self, id: str) -> Sequence[Standing]:  # noqa: A002 (the word of the register)
        """Give a task with its parents."""


class Vouching(Protocol):
    """The issuers that vouch for workloads."""

    async def claims(self, token: str) -> tuple[Mapping[str, Any], Sequence[Workload]]:
        """Give the claims of an issuer's token with a good signature, and the entries that its issuer vouches for."""


class _Answer(NamedTuple):
    status: int
    body: dict[str, Any]


class Issuing:
    """One object a worker; called once a request to one of `PATHS`."""

    def __init__(
        self,
        *,
        callers: Callers,
        ledger: Ledger,
        vouching: Vouching,
        signatures: Callable[[], Signatures],
        fresh: Callable[[], str],
        digest: Callable[[str], str],
        clock: Clock,
        issuer: str,
    ) -> None:
        """Join the adapters."""
        self._callers = callers
        self._ledger = ledger
        self._vouching = vouching
        self._signatures = signatures
        self._fresh = fresh
        self._digest = digest
        self._clock = clock
        self._issuer = issuer

    async def __call__(self, request: Request, respond: Respond) -> None:
        """Answer one request, in the words of OAuth 2.0 (RFC 6749 §5)."""
        try:
            answer = await self._answer(request)
        except UpstreamFault as fault:
            answer = _error("temporarily_unavailable", fault, status=503)
        except Fault as fault:
            answer = _error("invalid_grant" if isinstance(fault, ClientFault) else "server_error", fault)
            await self._refused(fault)
        await respond.start(answer.status, [("content-type", "application/json"), ("cache-control", "no-store")])
        await respond.send(msgspec.json.encode(answer.body))
        await respond.end()

    async def _answer(self, request: Request) -> _Answer:
        if request.fault is not None:
            raise request.fault
        if request.path == KEYS:
            return _Answer(200, {"keys": [dict(self._signatures().public())]})
        if request.method != "POST":
            return _error("invalid_request", ClientFault("Send a POST with a form."), status=405)
        form = _form(request)
        asked = Asked(
            method=request.method,
            url=f"http://{request.header_map.get('host', '')}{request.raw_path}",
            bare=True,
        )
        grant = form.get("grant_type", "")
        if grant == RENEW:
            return await self._renewed(form, request, asked)
        if grant != EXCHANGE:
            return _error("unsupported_grant_type", ClientFault("This grant is not known.", advice=EXCHANGE))
        kind = form.get("subject_token_type", ACCESS)
        if kind in VOUCHED:
            return await self._vouched(form, request, asked)
        if kind != ACCESS:
            return _error("invalid_request", ClientFault("This subject token type is not known.", advice=ACCESS))
        return await self._narrowed(form, request, asked)

    async def _narrowed(self, form: Mapping[str, str], request: Request, asked: Asked) -> _Answer:
        """Open a task for a sub-agent, with what was asked for and never more."""
        principal, key = await self._subject(form, request, asked)
        (own, *_) = self._ledger.task(principal.task)
        child = tasks.narrowed(
            own.task,
            id=uuid.uuid4().hex[:12],
            now=self._ledger.now(),
            tool=form.get("actor", ""),
            asked=form.get("scope", "").split(),
            max_tier=form.get("max_tier", ""),
            seconds=_number(form.get("expires_in", "0")),
            key=form.get("dpop_jkt", "") or key,
        )
        if own.task.key and not child.key:
            raise ClientFault("What hangs on a bound task is bound.", advice="Send a proof, or the key's `dpop_jkt`.")
        return await self._opened(child, "exchanged")

    async def _vouched(self, form: Mapping[str, str], request: Request, asked: Asked) -> _Answer:
        """Open a task for a workload that an issuer vouches for."""
        said, rows = await self._vouching.claims(form.get("subject_token", ""))
        row = workloads.fits(rows, said, now=self._clock.now())
        seen = self._ledger.seen(row.tool)
        if seen is None:
            raise ClientFault(
                f"The tool {row.tool} is not in the register.",
                advice=f"Somebody has to answer for it: `poundlock tools add {row.tool} --sort ci --owner PERSON`.",
            )
        _, key = await self._proof(request, asked)
        now = self._ledger.now()
        root = Task(
            id=uuid.uuid4().hex[:12],
            tool=row.tool,
            human=seen.tool.owner or row.name,
            team=seen.tool.team,
            scopes=row.scopes or seen.tool.scopes or tasks.SCOPES,
            max_tier=_lower(row.max_tier, seen.tool.max_tier),
            opened=now,
            expires=now + row.minutes * 60 * claims.SECOND,
            key=form.get("dpop_jkt", "") or key,
            known=f"workload {row.name}",
            subject=str(said.get("sub", ""))[:256],
            repository=str(said.get("repository", said.get("project_path", "")))[:256],
        )
        asked_for = tasks.scopes(form.get("scope", "").split())
        if not all(covers(root.scopes, scope) for scope in asked_for):
            raise ClientFault("A workload can't get a wider scope than its entry has.", advice="Ask for less.")
        return await self._opened(msgspec.structs.replace(root, scopes=asked_for or root.scopes), "issued")

    async def _renewed(self, form: Mapping[str, str], request: Request, asked: Asked) -> _Answer:
        """Let a task live on; one that is bound to a key gets its next token."""
        principal, _ = await self._subject(form, request, asked)
        (own, *_) = self._ledger.task(principal.task)
        if not await self._ledger.renew(own.task.id):
            raise ClientFault("The task does not stand any more.", advice="Start the tool again.")
        token = self._signed(own.task) if own.task.key else form["subject_token"]
        return self._given(own.task, token)

    async def _subject(self, form: Mapping[str, str], request: Request, asked: Asked) -> tuple[Principal, str]:
        """Give the task that a subject token is of, and the key that was proven beside it."""
        token = form.get("subject_token", "") or request.token or ""
        if "." in token:
            shown = request.header_map
            admission = await self._callers.admit(token, shown, "", asked)
            principal = admission.principal if admission else None
            key = self._ledger.task(principal.task)[0].task.key if principal else ""
        else:
            admission = await self._callers.admit(token, {}, "", asked) if token else None
            principal = admission.principal if admission else None
            key = (await self._proof(request, asked))[1]
        if principal is None or principal.authenticated not in {"task", "token"}:
            raise ClientFault("This is no token of a task.", advice="Use the credential that `poundlock run` gives.")
        return principal, key

    async def _proof(self, request: Request, asked: Asked) -> tuple[str, str]:
        """Give the id and the key of the proof that came along, if one did."""
        shown = request.header_map.get("dpop", "")
        return await self._callers.proven(shown, asked) if shown else ("", "")

    async def _opened(self, task: Task, what: str) -> _Answer:
        credential = self._fresh()
        opened = await self._ledger.open_task(task, self._digest(credential), what=what)
        return self._given(opened, self._signed(opened) if opened.key else credential)

    def _signed(self, task: Task) -> str:
        said = claims.claims(task, issuer=self._issuer, id=uuid.uuid4().hex, now=self._clock.now(), life=tasks.LIFE)
        return self._signatures().sign(said)

    def _given(self, task: Task, token: str) -> _Answer:
        life = min(tasks.LIFE, task.expires - self._clock.now()) // claims.SECOND
        return _Answer(
            200,
            {
                "access_token": token,
                "issued_token_type": ACCESS,
                "token_type": "DPoP" if task.key else "Bearer",
                "expires_in": max(0, life),
                "scope": " ".join(task.scopes),
                "task": task.id,
            },
        )

    async def _refused(self, fault: Fault) -> None:
        about = fault.about if isinstance(fault, Refused) else {}
        body = {"event": "refused", "why": fault.message, **about}
        await self._ledger.note("task", str(about.get("task") or "token"), body)


class Wicket:
    """A handler with the token endpoint beside it."""

    def __init__(self, issuing: Issuing, inner: Handler) -> None:
        """Lead `PATHS` to the endpoint and everything else, WebSockets too, to `inner`."""
        self._issuing = issuing
        self._inner = inner
        self.socket = getattr(inner, "socket", None)

    async def __call__(self, request: Request, respond: Respond) -> None:
        """Take one request to its end."""
        own = request.path in PATHS and request.provider is None
        await (self._issuing if own else self._inner)(request, respond)


def _form(request: Request) -> dict[str, str]:
    """Give a form's fields. Raises `ClientFault` for what is none, is too long, or says a thing twice."""
    kind = request.header_map.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded" or len(request.body) > LARGEST:
        raise ClientFault("Send a form.", advice="content-type: application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl(request.body.decode(), strict_parsing=True, max_num_fields=32)
    except ValueError:
        raise ClientFault("The form can't be read.", advice="See RFC 8693 §2.1.") from None
    if len({name for name, _ in pairs}) != len(pairs):
        raise ClientFault("The form says something twice.", advice="Send each field once.")
    return dict(pairs)


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise ClientFault("A time is a number of seconds.", advice="For example: expires_in=600")
    return int(text)


def _lower(one: str, other: str) -> Tier:
    """Give the lower of two tiers."""
    return min((tier for tier in TIERS if tier in {one, other}), key=TIERS.index)


def _error(name: str, fault: Fault, *, status: int = 400) -> _Answer:
    said = " ".join(part for part in ("Poundlock:", fault.message, fault.advice) if part)
    return _Answer(status, {"error": name, "error_description": said})
