"""`poundlock explain ID`: say why a decision was made, from its record alone."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from poundlock.adapters import places
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from poundlock.config import Settings
    from poundlock.core.model import Record


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command's parser."""
    parser = subparsers.add_parser("explain", help="say why a decision was made")
    parser.add_argument("id", help="the id from the refusal, the `x-poundlock-decision` header or `audit show`")
    parser.add_argument("--config", help="configuration file")
    parser.add_argument("--json", action="store_true", help="print the records as JSON Lines")


def run(args: argparse.Namespace) -> int:
    """Print the explanation: 0, or 2 when there is no such decision."""
    from poundlock.adapters.sqlite import Reading

    settings = places.read_settings(args.config)
    reading = Reading(places.database(places.state_folder(settings)))
    try:
        records = reading.find(args.id)
    finally:
        reading.close()
    if not records:
        raise ConfigFault("No record has this id.", advice="`poundlock audit show` lists the latest ones.")
    if args.json:
        import msgspec

        for record in records:
            sys.stdout.buffer.write(msgspec.json.encode(record) + b"\n")
        return 0
    words = _words(settings)
    for record in records:
        sys.stdout.write(
            exchange(record, words) if record.kind == "exchange" else _TELL.get(record.kind, other)(record)
        )
    return 0


def _words(settings: Settings) -> dict[str, str]:
    """Give what each policy in force says as its reason; none where the policies can't be read."""
    from poundlock.adapters import policyfiles
    from poundlock.core.errors import Fault

    try:
        policies = policyfiles.load(settings.policy.files, default=settings.policy.default_pack)
    except Fault:
        return {}
    return {policy.id: policy.told().reason for policy in policies.policies}


def exchange(record: Record, words: Mapping[str, str]) -> str:
    """Give the text about an exchange's decision; `words` are the reasons of policies by id."""
    body = record.body
    principal, destination, decision = body["principal"], body["destination"], body["decision"]
    claimed = " (claimed)" if principal["tool_claimed"] else ""
    lines = [
        f"{record.id}  {_time(record.at)}  record {record.seq}",
        f"  who       {principal['human']} with {principal['tool']}{claimed}, known by {principal['authenticated']}",
        *_surroundings(principal),
        f"  where to  {destination['vendor']} ({destination['plan']}) {destination['model']} as {destination['name']}",
        (
            f"  what      {body['provider']} {body['operation']}, {body['sizes']['segments']} segments, "
            f"{body['sizes']['characters']:,} characters, tier {body['tier']}"
        ),
        f"  decision  {decision['rung']}" + (f", would be {decision['would']}" if decision["would"] else ""),
    ]
    lines += [f"  because   {words.get(policy, '')} (policy {policy})" for policy in decision["reasons"]]
    lines += [f"  error     {error}" for error in decision["errors"]]
    for row in body["findings"]:
        lines.append(
            f"  found     {row['count']} × {row['kind']} ({row['rule_id']}) in {row['origin']} text"
            f"{', new' if row['new'] else ''}: {_DONE[row['treatment']]}"
        )
        lines += [f"  where     {', '.join(row['places'])}"] if row.get("places") else []
    lines += [f"  approved  poundlock approve {id_} says by whom" for id_ in body.get("approvals", ())]
    lines += [f"  sandbox   {body['environment']}"] if body.get("environment") else []
    lines += [f"  advice    {advice}" for advice in decision["advice"]]
    if any(row["treatment"] != "clear" for row in body["findings"]):
        lines.append("  rewrite   `poundlock redact < PROMPT` gives your prompt as it can be sent")
    lines.append(f"  snapshot  {body['snapshot']}")
    return "\n".join(lines) + "\n"


_DONE = {"clear": "sent as it was", "disguise": "disguised", "impound": "impounded"}


def _ruled(call: dict[str, Any]) -> str:
    """Tell what became of a tool call, what it would have done, and which policies said so."""
    outcome = {"call": "went on", "callDisguised": "went on with stand-ins"}.get(call["rung"], "refused")
    would = f" (enforced, it would be {call['would']})" if call["would"] else ""
    done = ", ".join([*call["classes"], *call["touches"]]) or "nothing that matters"
    return f"{outcome}{would}: {done}; by {', '.join(call['policies'])}"


def closing(record: Record) -> str:
    """Give the text about an exchange's end."""
    body = record.body
    lines = [
        f"  ended     {body['ended']}, HTTP {body['status']}, {body['received']:,} bytes, {body['milliseconds']} ms"
    ]
    lines += [f"  restored  {_kinds(body['restored'])}"] if body["restored"] else []
    for call in body.get("calls", []):
        if call["rung"] != "call" or call["would"]:
            lines.append(f"  call of {call['tool']}  {_ruled(call)}")
    lines += [f"  not restored (the sink was not allowed)  {_kinds(body['left'])}"] if body["left"] else []
    lines += [f"  answer held  {_kinds(body['answer'])}"] if body["answer"] else []
    return "\n".join(lines) + "\n"


def refused(record: Record) -> str:
    """Give the text about a request that was refused before it was inspected."""
    body = record.body
    lines = [
        f"{record.id}  {_time(record.at)}  record {record.seq}",
        "  refused   before it was inspected; nothing was sent",
        f"  because   {body['message']}",
    ]
    lines += [f"  error     {body['error']}"] if body["error"] else []
    lines += [f"  advice    {body['advice']}"] if body["advice"] else []
    return "\n".join(lines) + "\n"


def answer(record: Record) -> str:
    """Give the text about an answer that its provider keeps."""
    return (
        f"{record.id}  {_time(record.at)}  record {record.seq}\n"
        f"  stored    by the provider; {record.body['surrogates']} surrogates are remembered for what follows on it\n"
    )


def other(record: Record) -> str:
    """Give the text about a record of another kind."""
    return f"{record.id}  {_time(record.at)}  record {record.seq}: {record.kind}\n"


def approval(record: Record) -> str:
    """Give the text about a step of an approval."""
    told = {name: value for name, value in record.body.items() if name in _STEPS and value not in ("", None)}
    said = ", ".join(f"{_STEPS[name]} {value}" for name, value in told.items())
    return f"{record.id}  {_time(record.at)}  record {record.seq}\n  {record.kind:<9} {said}\n"


def unanswered(record: Record) -> str:
    """Give the text about an exchange that nobody admitted."""
    return f"{record.id}  {_time(record.at)}  record {record.seq}\n  refused   nobody admitted it; nothing was sent\n"


_STEPS = {
    "human": "asked by",
    "destination": "for",
    "exchange": "exchange",
    "by": "by",
    "reason": "because",
    "through": "through",
    "scope": "scope",
    "state": "now",
}


def _surroundings(principal: Mapping[str, Any]) -> list[str]:
    """Give what more is known of who acted: the task, the tools that acted for one another, the process."""
    lines = [f"  task      {principal['task']} (poundlock tasks {principal['task']})"] if principal["task"] else []
    lines += [f"  chain     {' > '.join(principal['chain'])}"] if len(principal.get("chain", ())) > 1 else []
    lines += [f"  process   {principal['process']} (claimed)"] if principal.get("process") else []
    return lines


def identity(record: Record) -> str:
    """Give the text about a change of the register, a task, or a revocation."""
    body = record.body
    said = " ".join(str(body[name]) for name in ("event", "what") if body.get(name))
    lines = [f"{record.id}  {_time(record.at)}  record {record.seq}", f"  {record.kind:<9} {said} by {body['by']}"]
    lines += [
        f"  {name:<9} {', '.join(value) if isinstance(value, list) else value}"
        for name in ("tool", "owner", "human", "task", "chain", "scopes", "max_tier", "state", "subject", "from", "to")
        if (value := body.get(name))
    ]
    lines += [f"  because   {body['why']}"] if body.get("why") else []
    return "\n".join(lines) + "\n"


_TELL = {
    "task": identity,
    "tool": identity,
    "privilege": identity,
    "revoked": identity,
    "lifted": identity,
    "login": identity,
    "answer": answer,
    "asked": approval,
    "waited": approval,
    "answered": approval,
    "used": approval,
    "ended": approval,
    "unanswered": unanswered,
    "closing": closing,
    "refused": refused,
}


def _kinds(counts: dict[str, Any]) -> str:
    return ", ".join(f"{count} × {kind}" for kind, count in sorted(counts.items()))


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1e9, UTC).isoformat(timespec="milliseconds")
