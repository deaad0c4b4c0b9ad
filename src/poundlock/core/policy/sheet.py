"""The page that people read: what may go to an AI tool, made of the policies in force by asking them.

It must never promise what is not enforced: each cell of its table is an answer of the policies, and each sentence is
the reason or the advice of one of them.
"""

from __future__ import annotations

import hashlib
import html
from typing import TYPE_CHECKING, Literal, NamedTuple

from poundlock.core.model import Destination, Facts, Group, Principal, Rung, Value
from poundlock.core.policy import ladder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poundlock.core.model import Family, Mode, Profile
    from poundlock.core.policy.decide import Policies
    from poundlock.core.policy.language import Policy

_SAID = {
    Rung.SEND: "as it is",
    Rung.SEND_DISGUISED: "disguised",
    Rung.SEND_LOCAL: "only to the model inside",
    Rung.SEND_APPROVED: "when somebody approves it",
    Rung.BLOCKED: "not at all",
}
_PLACES: tuple[tuple[str, Destination, str], ...] = (
    (
        "approved account, agreement, no training",
        Destination(name="a", vendor="a", approved=True, dpa=True, trains=False),
        "organisation",
    ),
    ("approved account, no agreement known", Destination(name="a", vendor="a", approved=True), "organisation"),
    ("account that nobody approved", Destination(name="a", vendor="a"), "unknown"),
    ("personal account", Destination(name="a", vendor="a"), "personal"),
    ("model inside", Destination(name="a", vendor="a", approved=True, local=True, trains=False), "unknown"),
    ("unknown destination", Destination(name="unknown", vendor="unknown"), "unknown"),
)


class _What(NamedTuple):
    """A row of the table: what it is called, and the facts that stand for it."""

    name: str
    family: Family | None = None
    kind: str = ""
    values: int = 1
    tier: Literal["public", "internal", "restricted"] = "restricted"
    labels: tuple[str, ...] = ()


_ROWS = (
    _What("text in which nothing was recognised", tier="public"),
    _What("credentials (keys, tokens, passwords)", "secret", "secret.generic.password"),
    _What("private keys, signing keys, seed phrases", "secret", "secret.private-key"),
    _What("personal data", "pii", "pii.email"),
    _What("health and payment data of many people", "pii", "pii.health_id", 100),
    _What("internal hosts and addresses", "infrastructure", "infrastructure.host", tier="internal"),
    _What("names of customers, projects, products", "identifier", "identifier.name", tier="internal"),
    _What("code of a protected repository", "code", "code.fingerprint", labels=("protected",)),
    _What("anything of a restricted repository", labels=("restricted",)),
)
_SENT = frozenset(rung.value for rung in ladder.OUTBOUND)
_CALLED = frozenset({ladder.RESTORE, *(rung.value for rung in ladder.TOOL_CALL)})
_PARTS: tuple[tuple[str, frozenset[str]], ...] = (
    ("What is sent", _SENT),
    ("What comes back, and what tools may do", _CALLED),
    ("What else is decided", ladder.ACTIONS - _SENT - _CALLED),
)

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{border:1px solid #999;padding:.3rem .5rem;text-align:left;"
    "vertical-align:top}code{font-size:.85em}"
)


class Sheet(Value, frozen=True, kw_only=True):
    """The page: its table, and the rules in words by chapter, each a reason and an advice; `digest` names the set."""

    profile: Profile
    mode: Mode
    digest: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    chapters: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...]

    @property
    def version(self) -> str:
        """Name this page by its text: what is acknowledged."""
        return hashlib.sha256(_markdown(self, "").encode()).hexdigest()[:16]


def sheet(policies: Policies, *, profile: Profile, mode: Mode, inside: bool) -> Sheet:
    """Ask the policies for each row and place; `inside`: there is a model inside the boundary to move to."""
    rows = tuple(
        (what.name, *(_SAID[_rung(policies, what, place, profile, inside=inside)] for place in _PLACES))
        for what in _ROWS
    )
    chapters = tuple(
        (title, tuple((policy.reason, policy.advice, policy.id) for policy in _closing(policies.policies, actions)))
        for title, actions in _PARTS
    )
    return Sheet(
        profile=profile,
        mode=mode,
        digest=policies.digest,
        head=("what it is", *(name for name, _, _ in _PLACES)),
        rows=rows,
        chapters=tuple((title, told) for title, told in chapters if told),
    )


def markdown(page: Sheet) -> str:
    """Give the page as Markdown."""
    return _markdown(page, page.version)


def page_of_html(page: Sheet) -> str:
    """Give the page as one HTML file that loads nothing."""
    cell = html.escape

    def row(cells: Iterable[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{cell(text)}</{tag}>" for text in cells) + "</tr>"

    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Working with AI tools</title>',
        f"<style>{_STYLE}</style>",
        "<h1>Working with AI tools</h1>",
        *(f"<p>{cell(text)}</p>" for text in _opening(page)),
        "<h2>What may go where</h2><table>",
        row(page.head, "th"),
        *(row(cells, "td") for cells in page.rows),
        "</table>",
    ]
    for title, rules in page.chapters:
        parts.append(f"<h2>{cell(title)}</h2><ul>")
        parts += [f"<li>{cell(why)} {cell(instead)} <code>{cell(name)}</code></li>" for why, instead, name in rules]
        parts.append("</ul>")
    parts.append(f"<p>{cell(_closing_words(page, page.version))}</p></html>")
    return "\n".join(parts) + "\n"


def _markdown(page: Sheet, version: str) -> str:
    lines = ["# Working with AI tools", ""]
    for text in _opening(page):
        lines += [text, ""]
    lines += ["## What may go where", ""]
    lines += ["| " + " | ".join(page.head) + " |", "| " + " | ".join("---" for _ in page.head) + " |"]
    lines += ["| " + " | ".join(cells) + " |" for cells in page.rows]
    for title, rules in page.chapters:
        lines += ["", f"## {title}", ""]
        lines += [f"- {why} {instead} (`{name}`)" for why, instead, name in rules]
    return "\n".join([*lines, "", _closing_words(page, version), ""])


def _opening(page: Sheet) -> tuple[str, ...]:
    told = (
        "Everything that an AI tool sends goes through Poundlock. What it recognises is replaced by a stand-in that "
        "looks the same, and put back when the answer comes home; some things go only to a model of our own, some only "
        "when somebody agrees, and a few do not leave at all."
    )
    if page.mode == "monitor":
        return (
            told,
            "At present this is only watched and told of: nothing is changed or stopped by most of these rules.",
        )
    return (told,)


def _closing_words(page: Sheet, version: str) -> str:
    return (
        f"Made from the policies in force ({page.digest[:16]}, profile {page.profile}, mode {page.mode}). "
        f"Version {version}: type `poundlock policy acknowledge` when you have read it."
    )


def _rung(
    policies: Policies, what: _What, place: tuple[str, Destination, str], profile: Profile, *, inside: bool
) -> Rung:
    """Ask as for a registered tool that types the thing anew."""
    groups: tuple[Group, ...] = ()
    if what.family is not None:
        groups = (
            Group(
                family=what.family,
                kind=what.kind,
                tier=what.tier,
                origin="typed",
                new=True,
                count=what.values,
                values=what.values,
                confidence=95,
            ),
        )
    _, destination, account = place
    asked = Facts(
        principal=Principal(human="somebody", tool="a-tool", tool_claimed=False),
        destination=destination,
        tier=what.tier,
        groups=groups,
        labels=what.labels,
        profile=profile,
        account=account,
        local_model=inside,
    )
    return policies.decide(asked).rung


def _closing(policies: Iterable[Policy], actions: frozenset[str]) -> list[Policy]:
    """Give the forbids that speak of these actions, those of one control together."""
    forbids = [policy for policy in policies if policy.effect == "forbid" and policy.actions & actions]
    order = {control: index for index, control in enumerate(dict.fromkeys(policy.control for policy in forbids))}
    return sorted(forbids, key=lambda policy: order[policy.control])
