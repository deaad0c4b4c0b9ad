"""Write docs/reference from the code, or check that it is up to date (`--check`: 1 when it isn't).

It must never say anything that the code doesn't: each page is made of parsers, tables and structs, and what is written
here by hand only says how to read them.

    python scripts/reference.py [--check]
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from poundlock import config
from poundlock.adapters import policyfiles, rulefiles
from poundlock.adapters.sqlite import schema
from poundlock.cli import clients
from poundlock.cli import main as cli
from poundlock.core import pipeline
from poundlock.core.audit import chained, record_of
from poundlock.core.model import Context, Destination, Document, Match, Principal, ScopeKey, Segment, Snapshot
from poundlock.core.policy import language
from poundlock.wire import registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from poundlock.core.detect.engine import Detector
    from poundlock.core.detect.rules import Rule

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
MADE = "<!-- Made by scripts/reference.py from the code: change the code, then type ./x docs. -->\n\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Give a Markdown table; cells may hold any text."""
    written = [" | ".join(head), " | ".join("---" for _ in head)]
    written += [" | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) for row in rows]
    return "\n".join(f"| {row} |" for row in written) + "\n"


def line(text: str) -> str:
    """Give a text written over several lines as one."""
    return " ".join(text.split())


def paragraph(text: str) -> str:
    """Give a text written over several lines as a paragraph."""
    return line(text) + "\n"


def code(text: str) -> str:
    """Give a text as inline code, or nothing for no text."""
    return f"`{text}`" if text else ""


# --- The command line ------------------------------------------------------------------------------------------------


def _usage(action: argparse.Action) -> str:
    shown = str(action.metavar or action.dest.upper().replace("-", "_"))
    if action.choices and not action.metavar:
        shown = "{" + ",".join(map(str, action.choices)) + "}"
    if not action.option_strings:
        return {"*": f"[{shown} …]", "?": f"[{shown}]", argparse.REMAINDER: f"{shown} …"}.get(str(action.nargs), shown)
    return ", ".join(action.option_strings) + ("" if action.nargs == 0 else f" {shown}")


def _arguments(parser: argparse.ArgumentParser) -> str:
    rows = []
    for action in parser._actions:  # noqa: SLF001 (argparse has no other way to list them)
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction):  # noqa: SLF001 (as above)
            continue
        said = (action.help or "").replace("%(default)s", str(action.default))
        if action.choices and action.metavar:
            said += f" ({', '.join(map(str, action.choices))})"
        rows.append((code(_usage(action)), said))
    return table(("argument", "what it does"), rows) if rows else ""


def _subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:  # noqa: SLF001 (as above)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 (as above)
            return dict(action.choices)
    return {}


def command_line() -> str:
    """Give the page of the commands."""
    out = [
        MADE + "# Commands\n",
        paragraph(
            """
            Exit code 0: clean. 1: findings, or refused, or not sound. 2: usage, or a fault. `run` passes the
            command's own code, and `redact` gives 0 whether or not it replaced something.
            """
        ),
        paragraph(
            """
            The configuration is `--config FILE`, else `$POUNDLOCK_CONFIG`, else
            `~/.config/poundlock/poundlock.toml`; never a file of the working directory. `poundlock --version`
            prints the version.
            """
        ),
    ]
    parsers = _subparsers(cli.parser())
    for name, (_, short) in cli.COMMANDS.items():
        parser = parsers[name]
        description = parser.description if parser.description and len(parser.description) < 200 else ""
        out.append(f"## `poundlock {name}`\n\n{short[:1].upper()}{short[1:]}.\n")
        out += [f"{description}\n"] if description else []
        out.append(_arguments(parser))
        for action, inner in _subparsers(parser).items():
            out.append(f"### `poundlock {name} {action}`\n\n{_arguments(inner)}")
    return "\n".join(part for part in out if part)


# --- Settings --------------------------------------------------------------------------------------------------------


def settings() -> str:
    """Give the page of the settings."""
    out = [
        MADE + "# Settings\n",
        paragraph(
            """
            `poundlock init` writes a `poundlock.toml` in which every setting stands as a comment with its
            default. A key that nobody knows is an error. The providers `anthropic` and `openai` are there without
            being configured.
            """
        ),
    ]
    sections: dict[str, list[tuple[str, str, str, str]]] = {}
    for name, kind, default, description in config.describe():
        head, _, key = name.rpartition(".")
        plain = kind.replace("Literal", "one of ").replace("tuple[str, ...]", "list of str")
        sections.setdefault(head, []).append((code(key), plain, code(default), description))
    for head, rows in sections.items():
        out.append(f"## {f'`[{head}]`' if head else 'Top level'}\n")
        out.append(table(("setting", "type", "default", "what it does"), rows))
    out.append(
        "## Environment\n\n"
        + table(
            ("variable", "what it does"),
            [
                ("`POUNDLOCK_CONFIG`", "The configuration file, where `--config` names none."),
                ("`POUNDLOCK_MASTER_KEY`", "The master key, 32 bytes in base64; goes before `state.master_key`."),
                ("`POUNDLOCK_CACHE`", "Folder for compiled rules; else `$XDG_CACHE_HOME/poundlock`."),
                ("`XDG_CONFIG_HOME`, `XDG_STATE_HOME`, `XDG_CACHE_HOME`", "As the XDG base directories say."),
            ],
        )
    )
    return "\n".join(out)


# --- Routes ----------------------------------------------------------------------------------------------------------


def routes() -> str:
    """Give the page of the routes."""
    out = [
        MADE + "# Routes\n",
        paragraph(
            """
            What is done with each request, by method and path (a regular expression on the whole path). The first
            row that fits counts; **a request that no row names is refused**, with HTTP 400 in the client's own
            error shape. `poundlock doctor --coverage` prints the same table.
            """
        ),
        paragraph(
            """
            The same paths are served under `/p/NAME/…` for a configured provider NAME, and under `/t/TOKEN/…` for
            tools that can set no header; both prefixes may be there. `GET /healthz` is answered by the gateway
            itself. So are `POST /leases` and `DELETE /leases/ID`, where a task asks for a lease and gives it back;
            what is below `/x/NAME/` goes to the resource NAME, with its secret put on (docs/how-to/leases.md).
            Hooks of agents ask at `POST /hook/AGENT` (docs/how-to/hooks.md).
            """
        ),
    ]
    for wire in registry.WIRES:
        rows = [
            (route.method, code(route.path), route.operation, route.treatment, route.reason) for route in wire.routes
        ]
        out.append(f"## Format `{wire.provider}`\n")
        out.append(table(("method", "path", "operation", "treatment", "why"), rows))
    return "\n".join(out)


# --- Rules -----------------------------------------------------------------------------------------------------------


def rules() -> str:
    """Give the page of the detection rules."""
    found = rulefiles.load_rules()
    counts = Counter(rule.family for rule in found)
    out = [
        MADE + "# Rules\n",
        paragraph(
            f"""
            {len(found)} rules: {", ".join(f"{count} {family}" for family, count in sorted(counts.items()))}. Each
            is data, with examples and counter-examples that it is tested on. An id is permanent. `poundlock
            rules` prints the set in force, `poundlock rule explain ID` one of them and why it finds in a text or
            doesn't, and `poundlock rule test FILE` proves one's own.
            """
        ),
        table(
            ("family", "rules", "kinds"),
            [
                (
                    f"[{family}](rules/{family}.md)",
                    str(count),
                    str(len({rule.kind for rule in found if rule.family == family})),
                )
                for family, count in sorted(counts.items())
            ],
        ),
        paragraph(
            """
            Besides these, the [registered values](../how-to/protect.md) are found as `secret.known.value` and
            `secret.known.canary`, and a company's [names and hosts](../how-to/rules-and-policies.md) as
            `identifier` and `infrastructure`.
            """
        ),
    ]
    return "\n".join(out)


def rules_of(family: str) -> str:
    """Give the page of one family's rules, those of a vendor together."""
    found = [rule for rule in rulefiles.load_rules() if rule.family == family]
    out = [
        MADE + f"# Rules: {family}\n",
        paragraph(
            f"""
            {len(found)} rules ([all families](../rules.md)). In what is found, `{{a-z0-9:32}}` stands for as many
            characters of a class, so that no page holds a credential. `poundlock rule explain ID` shows whole
            examples.
            """
        ),
    ]
    detector = rulefiles.load_detector()
    groups: dict[str, list[Rule]] = {}
    for rule in found:
        groups.setdefault(rule.id.split(".")[1], []).append(rule)
    for name, members in sorted(groups.items()):
        out.append(f"## {name}\n")
        out.append(
            table(("rule", "tier", "how", "what is found", "source"), [_rule_row(rule, detector) for rule in members])
        )
    return "\n".join(out)


def _rule_row(rule: Rule, detector: Detector) -> tuple[str, ...]:
    name = code(rule.id) + (f"<br>kind {code(rule.kind)}" if rule.kind != rule.id else "")
    how = "shape"
    if rule.lexical:
        how = "beside a name"
    elif rule.context:
        how = "shape, in context"
    # Without what stands before it: an example with its name would look like a credential.
    shown = next(iter(re.findall("«([^»]*)»", rule.examples[0])), "") if rule.examples else ""
    shown = shown if len(shown) <= 60 else shown[:57] + "…"
    shown = "" if detector.detect(shown) else shown
    shown = f"`` {shown} ``" if "`" in shown else code(shown)
    return name, rule.tier, how + (", validated" if rule.validators else ""), shown, rule.source


# --- Policies --------------------------------------------------------------------------------------------------------


def policies() -> str:
    """Give the page of the default pack and the schema."""
    loaded, problems = language.read(policyfiles.sources(), language.schema(policyfiles.schema()))
    if problems:
        raise SystemExit(f"the default pack has problems: {problems[0]}")
    out = [
        MADE + "# Policies\n",
        paragraph(
            """
            The default pack, in the order of its file. The rungs of an exchange are tried from the loosest to the
            tightest: `send`, `sendDisguised`, `sendLocal`, `sendApproved`; the first that is permitted and not
            forbidden is taken. A group of findings that finds no rung blocks the exchange if it was newly typed,
            and is impounded otherwise. `sendLocal` and `sendApproved` are answers that this version can't carry
            out: it refuses with a reason.
            """
        ),
    ]
    for policy in loaded:
        out.append(f"## `{policy.id}`\n")
        out.append(f"**{policy.effect}** {', '.join(code(action) for action in sorted(policy.actions))}")
        out[-1] += f" · control `{policy.control}`" if policy.control else ""
        out[-1] += " · holds in monitor mode, too\n" if policy.holds else "\n"
        out += [f"{policy.reason}\n"] if policy.reason else []
        out += [f"*Advice:* {policy.advice}\n"] if policy.advice else []
    out.append("# The schema: all that a policy may see\n")
    out.append(f"```cedar\n{policyfiles.schema().rstrip()}\n```\n")
    return "\n".join(out)


# --- Records ---------------------------------------------------------------------------------------------------------


class _Mail:
    """A detector of one made-up address."""

    def detect(self, text: str, **_: Any) -> tuple[Match, ...]:
        at = text.find("ada@example.org")
        if at < 0:
            return ()
        return (
            Match(
                rule_id="pii.email",
                family="pii",
                kind="pii.email",
                tier="internal",
                start=at,
                end=at + 15,
                confidence=0.95,
                value="ada@example.org",
            ),
        )


def _example() -> str:
    key = ScopeKey(scope="ada", mint=b"m" * 32, fingerprint=b"f" * 32)
    verdict = pipeline.inspect(
        Document(
            provider="anthropic",
            operation="messages",
            model="claude-sonnet-4-6",
            conversation="example",
            segments=(Segment(text="Please answer ada@example.org.", path=("messages", 0, "content")),),
        ),
        Context(
            principal=Principal(
                human="ada", owner="ada", tool="claude-code", tool_claimed=False, authenticated="credential"
            ),
            destination=Destination(name="anthropic", vendor="anthropic", endpoint="https://api.anthropic.com"),
        ),
        Snapshot(detector=_Mail(), policies=policyfiles.load(), digest="0123456789abcdef"),  # type: ignore[arg-type]
        key,
        1_800_000_000_000_000_000,
        id="4f1c0a97d2b84e63",
    )
    draft = verdict.draft
    row = chained(
        1, "0" * 64, at=draft.at, kind=draft.kind, id=draft.id, body=msgspec.json.encode(draft.body, order="sorted")
    )
    return msgspec.json.format(msgspec.json.encode(record_of(row)), indent=2).decode()


def records() -> str:
    """Give the page of the record format."""
    return "\n".join(
        [
            MADE + "# Records\n",
            paragraph(
                """
                One record is one line of `poundlock audit export`. No record ever holds a value or a client's
                text: findings are counts with keyed fingerprints.
                """
            ),
            table(
                ("field", "what it is"),
                [
                    ("`seq`", "Its place in the log, from 1, without gaps."),
                    ("`at`", "Nanoseconds since the epoch, UTC."),
                    (
                        "`kind`",
                        line(
                            """
                            `exchange`: the decision, durable before the exchange leaves.
                            `answer`: the provider keeps the answer, durable before the client can name it.
                            `closing`: how it ended.
                            `refused`: refused before it was inspected, with `who` where that was known.
                            `asked`, `waited`, `answered`, `used`, `ended`: what became of an approval, under its id.
                            `unanswered`: an exchange that nobody admitted. One that was held and then left has two
                            records of the kind `exchange`.
                            `task`: issued, exchanged, refused, ended; `tool`, `privilege`: a change of the register;
                            `revoked`, `lifted`: of a tool, person, token or everything; `login`: a person said who
                            they are; `acknowledged`: somebody has read a version of the page of policies.
                            `writer`: the log's writer had died, and another one began.
                            """
                        ),
                    ),
                    ("`id`", "The decision's id; an exchange and its closing record share it."),
                    ("`body`", "What was decided and on which facts; canonical JSON (sorted keys, no floats)."),
                    ("`prev`", "The hash of the record before; 64 zeros in the first."),
                    (
                        "`hash`",
                        "SHA-256 of 0x00 and the canonical JSON of all the fields above: an RFC 6962 leaf hash.",
                    ),
                ],
            ),
            "An exchange with one e-mail address in it (the digest of the snapshot is made up):\n",
            f"```json\n{_example()}\n```\n",
            "## Tables\n",
            "The database is `poundlock.db` in the state folder. What is `sealed` is AES-256-GCM.\n",
            f"```sql\n{_dedented(''.join(schema.MIGRATIONS))}\n```\n",
        ]
    )


def _dedented(text: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in text.strip("\n").rstrip().splitlines())


# --- Clients ---------------------------------------------------------------------------------------------------------

_CLIENTS = ROOT / "tests" / "clients"
_WAYS = {"run": "`run`", "init": "`init`", "intercept": "`run --intercept`", "tables": "`run`, which intercepts"}


def matrix() -> str:
    """Give the page of the clients that were run, from the results of their tests."""
    told = tomllib.loads((_CLIENTS / "matrix.toml").read_text(encoding="utf-8"))
    rows = []
    for result in json.loads((_CLIENTS / "results.json").read_text(encoding="utf-8")):
        known = next((row for row in clients.known() if row.id == result["client"]), None)
        way = "tables" if result["way"] == "run" and known and known.through == "intercept" else result["way"]
        standing = "emulated" if result["login"] in told["emulated"]["logins"] else "real"
        client = told["names"][result["client"]]
        rows.append((client, result["version"], result["login"], _WAYS[way], f"*{standing}*", result["on"], ""))
    for row in told["row"]:
        if "test" in row:
            rows.append((row["client"], row["version"], "API key", row["way"], "*real*", "", code(row["test"])))
        else:
            rows.append((row["client"], "", "", "", "*unverified*", "", row["note"]))
    return "\n".join(
        [
            MADE + "# Clients\n",
            paragraph(
                """
                Each client is installed from its registry, reads a file of made-up credentials by one of its tools,
                writes two of them into another file, and says one of them, against a mock provider behind the
                gateway. A row stands here when all three held: the provider saw no credential in any encoding, the
                client finished, and what it wrote and said is the true value. `pytest --long` runs them all again
                (`tests/clients/test_agents.py`).
                """
            ),
            paragraph(
                """
                *Real*: the client itself was run here. *Emulated*: the client was run with a login that we made up,
                since a real account can't be had without a person. *Unverified*: not run. No vendor's own service
                was reached in any of them.
                """
            ),
            table(("client", "version", "login", "led by", "standing", "on", "note"), rows),
        ]
    )


PAGES = {
    "commands.md": command_line,
    "settings.md": settings,
    "routes.md": routes,
    "rules.md": rules,
    **{
        f"rules/{family}.md": partial(rules_of, family)
        for family in sorted({rule.family for rule in rulefiles.load_rules()})
    },
    "policies.md": policies,
    "records.md": records,
    "clients.md": matrix,
}


def main(arguments: list[str]) -> int:
    """Write or check every page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is out of date")
    options = parser.parse_args(arguments)
    stale = []
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        text = make().rstrip() + "\n"
        path = FOLDER / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    verb = "out of date" if options.check else "written"
    sys.stdout.write("".join(f"{verb}: docs/reference/{name}\n" for name in stale))
    if options.check and stale:
        sys.stdout.write("Type: ./x docs\n")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
