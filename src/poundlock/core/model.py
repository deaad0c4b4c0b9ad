"""The types that every part speaks: frozen, slotted, compared by value.

INVARIANT: a field that may hold user text or key material is listed in `_hidden` and never shows in a `repr`.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from poundlock.core import matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from poundlock.core.approvals import Standing
    from poundlock.core.declared import Declaration
    from poundlock.core.detect.engine import Detector
    from poundlock.core.policy.decide import Policies

Family = matches.Family
Tier = matches.Tier
Match = matches.Match
Role = Literal["system", "user", "assistant", "tool"]
SegmentKind = Literal["prose", "code", "tool_args", "tool_result", "file"]
Origin = Literal["typed", "file", "tool", "untrusted"]
Treatment = Literal["clear", "disguise", "impound"]
Direction = Literal["outbound", "inbound"]
Mode = Literal["enforce", "monitor"]
Profile = Literal["personal", "team", "strict"]

TIERS: tuple[Tier, ...] = ("public", "internal", "restricted")


class Rung(enum.StrEnum):
    """A step of the enforcement ladder, in the words of the policies."""

    SEND = "send"
    SEND_DISGUISED = "sendDisguised"
    SEND_LOCAL = "sendLocal"
    SEND_APPROVED = "sendApproved"
    CALL = "call"
    CALL_DISGUISED = "callDisguised"
    CALL_APPROVED = "callApproved"
    LEASE = "lease"
    LEASE_APPROVED = "leaseApproved"
    BLOCKED = "blocked"


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the types: a frozen struct whose `repr` leaves out what `_hidden` names."""

    _hidden: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in self._hidden)
        return f"{type(self).__name__}({', '.join(shown)})"


class Segment(Value, frozen=True, kw_only=True):
    """One string leaf of a body.

    `path` leads to it from the root. `turn` counts the assistant messages before it in the body: 0 for the system
    prompt, the tools and the first request. `opaque` text is passed as the same string and never searched.
    `key` is the name under which the leaf stands (`password` in `{"password": "…"}`), a context for detection.
    """

    _hidden: ClassVar[frozenset[str]] = frozenset({"text", "key", "path"})

    text: str
    path: tuple[str | int, ...] = ()
    role: Role = "user"
    kind: SegmentKind = "prose"
    origin: Origin = "typed"
    turn: int = 0
    opaque: bool = False
    key: str = ""
    tool: str = ""


class Passage:
    """Segments that were read from the same bytes in the same place: the same object each time they come again.

    `last` is the last turn of its segments, `turn` the last one of a segment that can be read (-1 without one).
    `notes` and `answers` are what inspection remembers of it: by what the outcome depends on besides, and by what was
    asked of the segments alone.
    """

    __slots__ = ("answers", "characters", "last", "notes", "segments", "turn")

    def __init__(self, segments: tuple[Segment, ...]) -> None:
        """Hold these segments; nothing is remembered of them yet."""
        self.segments = segments
        self.turn = max((each.turn for each in segments if each.text and not each.opaque), default=-1)
        self.last = max((each.turn for each in segments), default=-1)
        self.characters = sum(len(each.text) for each in segments)
        self.notes: dict[bytes, Any] = {}
        self.answers: dict[str, bool] = {}


class Document(Value, frozen=True, kw_only=True):
    """A decoded body: what provider and operation it is for, and its segments in the order the model reads them.

    `stored`: the provider keeps the answer, and a later request may name it instead of sending it again.
    `hosted` are tools that run at the provider's: a kind, or `mcp:` with a server's host, which is the client's text
    until it was found in the configuration. `passages` are runs of the segments that may have come before, each with
    the index at which it begins.
    """

    provider: str
    operation: str
    segments: tuple[Segment, ...]
    model: str = ""
    direction: Direction = "outbound"
    conversation: str = ""
    tools: tuple[str, ...] = ()
    stream: bool = False
    stored: bool = False
    notes: tuple[str, ...] = ()
    passages: tuple[tuple[int, Passage], ...] = ()
    hosted: tuple[str, ...] = ()


def covers(held: Iterable[str], asked: str) -> bool:
    """Tell whether one of the scopes held is the one asked for, or a wider one: `send` covers `send:openai`."""
    return any(asked == scope or asked.startswith(f"{scope}:") for scope in held)


class Reach(Value, frozen=True, kw_only=True):
    """What a tool or task may reach by its entry in the register. An empty list is no limit.

    `classes` are families or kinds that it may handle; `max_tier` is the highest tier.
    """

    destinations: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    max_tier: Tier = "restricted"


class Principal(Value, frozen=True, kw_only=True):
    """Who acts: the human, the tool, the task, and how that was established.

    `state` and `privilege` are of the tool's entry in the register, empty without one. `chain` are the tools that act
    for one another, the outermost first. `process` is what the gateway saw of a caller without a credential: a claim.
    `repository` is where the task was opened, by its name.
    """

    human: str
    tool: str = "unregistered"
    owner: str = ""
    team: str = ""
    task: str = ""
    scopes: tuple[str, ...] = ()
    device: str = ""
    authenticated: str = "none"
    tool_claimed: bool = True
    state: str = ""
    privilege: str = ""
    chain: tuple[str, ...] = ()
    process: str = ""
    repository: str = ""
    reach: Reach = Reach()

    @property
    def proven(self) -> bool:
        """Whether a credential of Poundlock's own stands behind it, and not only a place or a claim."""
        return self.authenticated in {"credential", "task", "token"}


class Destination(Value, frozen=True, kw_only=True):
    """Where an exchange goes, and what the vendor register says of it."""

    name: str
    vendor: str
    plan: str = "unknown"
    model: str = ""
    endpoint: str = ""
    approved: bool = False
    dpa: bool = False
    baa: bool = False
    trains: bool = True
    zero_retention: bool = False
    retention: str = "unknown"
    local: bool = False


class Finding(Value, frozen=True, kw_only=True):
    """A span of a segment that a rule recognised; never the value, only its keyed fingerprint."""

    rule_id: str
    family: Family
    kind: str
    tier: Tier
    segment: int
    start: int
    end: int
    confidence: float
    fingerprint: str


class Surrogate(Value, frozen=True, kw_only=True):
    """The stand-in for a value. `value` is there for the vault to seal, and for restoring; it is never shown."""

    _hidden: ClassVar[frozenset[str]] = frozenset({"value"})

    text: str
    kind: str
    scope: str
    fingerprint: str
    value: str


class Group(Value, frozen=True, kw_only=True):
    """What policy sees of all findings of one kind, tier and origin: never a value, never a span."""

    family: Family
    kind: str
    tier: Tier
    origin: Origin
    new: bool
    count: int
    values: int
    confidence: int


class Facts(Value, frozen=True, kw_only=True):
    """All that policy may see of an exchange. `confidence` and scores are integers of 0 to 100: Cedar has no floats.

    `local_model`: a model inside the boundary could take this exchange. `account`: whose the account is that it uses
    (`organisation`, `personal`, `elsewhere`: not for this repository, `unknown`). `budgets`: those that are used up.
    """

    principal: Principal
    destination: Destination
    direction: Direction = "outbound"
    tier: Tier = "public"
    intent: str = "unsure"
    action: str = "unsure"
    groups: tuple[Group, ...] = ()
    repository: str = ""
    environment: str = ""
    labels: tuple[str, ...] = ()
    profile: Profile = "personal"
    mode: Mode = "enforce"
    local_model: bool = False
    account: str = "unknown"
    budgets: tuple[str, ...] = ()


class Reason(Value, frozen=True, kw_only=True):
    """A policy that determined an answer, with its annotations."""

    policy: str
    effect: Literal["permit", "forbid"]
    reason: str = ""
    advice: str = ""
    control: str = ""


class Decision(Value, frozen=True, kw_only=True):
    """The answer of the ladder, with its reasons and its errors; `treatments` stand beside the findings, in order."""

    id: str
    rung: Rung
    treatments: tuple[Treatment, ...] = ()
    reasons: tuple[Reason, ...] = ()
    advice: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    snapshot: str = ""
    mode: Mode = "enforce"
    would: str = ""


class Sink(Value, frozen=True, kw_only=True):
    """Where an answer's text would go if it were restored: the reader, a local file, a local command, a remote tool."""

    kind: Literal["display", "file", "command", "function", "remote"]
    tool: str = ""
    network: bool = False


class ScopeKey(Value, frozen=True, kw_only=True):
    """The keys of one scope, derived from its data key: one mints surrogates, one makes fingerprints."""

    _hidden: ClassVar[frozenset[str]] = frozenset({"mint", "fingerprint"})

    scope: str
    mint: bytes
    fingerprint: bytes


class Context(Value, frozen=True, kw_only=True):
    """What the shell loaded for one inspection: who, where to, and what this conversation already holds.

    `issued`: surrogates of this scope that this conversation already uses, by canonical surrogate text.
    `refused`: fingerprints of newly typed values for which an exchange of this conversation was blocked before.
    `standing`: what people have approved; `local`: a model inside the boundary that could take this exchange. `mode`
    goes before the snapshot's; policies and rules in `trial` are told of, and not enforced. `account` and `budgets`
    are as in `Facts`; `declared` is what is declared of the repository. `file_names`: the
    files that calls opened stand in the record by name, not by keyed hash.
    """

    _hidden: ClassVar[frozenset[str]] = frozenset({"issued"})

    principal: Principal
    destination: Destination
    issued: Mapping[str, Surrogate] = {}
    refused: frozenset[str] = frozenset()
    labels: tuple[str, ...] = ()
    repository: str = ""
    environment: str = ""
    standing: Standing | None = None
    local: Destination | None = None
    mode: Mode | None = None
    trial: frozenset[str] = frozenset()
    account: str = "unknown"
    budgets: tuple[str, ...] = ()
    declared: Declaration | None = None
    file_names: bool = False


class Snapshot(Value, frozen=True, kw_only=True):
    """The immutable set that a decision is made with; `digest` names it in every record."""

    _hidden: ClassVar[frozenset[str]] = frozenset({"detector", "policies"})

    detector: Detector
    policies: Policies
    digest: str
    unknown_tier: Tier = "internal"
    mode: Mode = "enforce"
    profile: Profile = "personal"


class FindingSummary(Value, frozen=True, kw_only=True):
    """What a record keeps of one group of equal findings: rule, treatment, origin, counts, and where they stood."""

    rule_id: str
    kind: str
    tier: Tier
    origin: Origin
    new: bool
    treatment: Treatment
    count: int
    fingerprints: tuple[str, ...]
    places: tuple[str, ...] = ()


class Draft(Value, frozen=True, kw_only=True):
    """A record before the append gives it `seq`, `prev` and `hash`. `body` holds only JSON values without user text."""

    kind: str
    id: str
    at: int
    body: Mapping[str, Any]


class Record(Value, frozen=True, kw_only=True):
    """One entry of the audit log. `at` is nanoseconds since the epoch, UTC; hashes are hex SHA-256."""

    seq: int
    at: int
    kind: str
    id: str
    body: Mapping[str, Any]
    prev: str
    hash: str
