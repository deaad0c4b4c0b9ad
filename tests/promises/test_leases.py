"""A task's credential ends with the task: on a real PostgreSQL, through a real gateway, over a kill, under attack."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

import pytest

from poundlock import compose, config
from poundlock.adapters.credentials import digest, fresh
from poundlock.core.identity.registry import Tool
from poundlock.core.identity.tasks import Task, narrowed
from poundlock.core.leases import Lease, handle
from poundlock.gateway.issuing import EXCHANGE
from tests.cli.issuer import issuer
from tests.gateway.dialects import ANTHROPIC
from tests.gateway.running import PLAIN, ROOT, Gate, running, until
from tests.postgres import Postgres, programs

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(programs() is None, reason="no PostgreSQL server on this machine")

RESOURCES = """
[resources.orders]
backend = "postgres"
secret_env = "ORDERS_ADMIN"
[resources.orders.levels.read]
writes = false
schemas = ["shop"]
[resources.orders.levels.write]
schemas = ["shop"]
"""
SCOPES = ("send", "lease:postgres:orders")
HOUR = 3_600_000_000_000


class Opened(NamedTuple):
    """A task and its credential."""

    id: str
    token: str


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """Give a running PostgreSQL, of whose administrator the gateways know."""
    made = Postgres()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORDERS_ADMIN", made.address)
        yield made
    made.stop()


@pytest.fixture(scope="module")
def gate(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """Give a gateway of two workers."""
    assert server.port
    with running(tmp_path_factory.mktemp("leases"), RESOURCES, workers=2) as made:
        made.mock.play(PLAIN)
        yield made


def opened(gate: Gate, *, parent: str = "", scopes: tuple[str, ...] = SCOPES, human: str = "ada") -> Opened:
    """Open a task, or a sub-agent's, in the gateway's register."""
    made = Opened(uuid.uuid4().hex[:12], fresh())

    async def work() -> None:
        async with compose.identities(config.load(gate.config.read_text())) as known:
            now = known.now()
            await known.keep_tool(Tool(id="claude-code", owner="ada", state="active"), new=True)
            if parent:
                above = known.task(parent)[0].task
                task = narrowed(above, id=made.id, now=now, asked=scopes)
            else:
                task = Task(id=made.id, tool="claude-code", human=human, scopes=scopes, opened=now, expires=now + HOUR)
            await known.open_task(task, digest(made.token))

    asyncio.run(work())
    return made


def asked(gate: Gate, token: str, grant: str = "postgres:orders:read", **more: Any) -> tuple[int, dict[str, Any]]:
    """Ask for a lease."""
    body = json.dumps({"grant": grant, **more}).encode()
    answer = gate.raw("/leases", body, {"x-poundlock-token": token} if token else {})
    return answer.status, json.loads(answer.body)


def revoke(gate: Gate, task: str) -> None:
    """End a task, as a person does, from another process."""
    code, words = gate.command("revoke", "--task", task)
    assert code == 0, words


def told(gate: Gate, lease: str) -> list[str]:
    """Give what the records say happened to a lease."""
    return [row["body"]["event"] for row in gate.records(lease) if row["kind"] == "lease"]


def gone(server: Postgres, role: str) -> bool:
    """Tell whether a role and its sessions are no more."""
    left = server.sql(f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{role}'")  # noqa: S608 (our own names)
    return role not in server.roles() and left == "0"


def test_a_session_ends_when_the_task_is_revoked_from_elsewhere(gate: Gate, server: Postgres) -> None:
    """Within two seconds: the command runs in another process, without the administrator's address."""
    task = opened(gate)
    status, said = asked(gate, task.token)
    assert status == 200
    psql = server.psql(said["variables"])
    assert psql.stdin is not None
    assert psql.stdout is not None
    psql.stdin.write("BEGIN; SELECT count(*) FROM shop.parcel;\n")
    psql.stdin.flush()
    assert psql.stdout.readline() == "2\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ORDERS_ADMIN")
        revoke(gate, task.id)
    began = time.monotonic()
    until(lambda: gone(server, said["handle"]))
    assert time.monotonic() - began < 2
    assert psql.communicate("SELECT 1;\n", timeout=10)[1] != ""
    assert told(gate, said["lease"]) == ["asked", "given", "revoked"]
    story = gate.command("tasks", task.id)[1]
    assert f"lease    {said['lease']} postgres:orders:read given" in story
    assert said["variables"]["PGPASSWORD"] not in story + json.dumps(gate.records())


def test_only_the_task_itself_gives_a_lease_back(gate: Gate, server: Postgres) -> None:
    """Another task's token, a credential of a person, and nothing at all get the same refusal."""
    task, other = opened(gate), opened(gate)
    _, said = asked(gate, task.token)
    path = f"/leases/{said['lease']}"
    for token in (other.token, gate.credential("eve")["x-poundlock-token"], ""):
        answer = gate.raw(path, b"", {"x-poundlock-token": token} if token else {}, "DELETE")
        assert answer.status == 400, token
        assert said["handle"] in server.roles()
    assert gate.raw(path, b"", {"x-poundlock-token": task.token}, "DELETE").status == 200
    assert gone(server, said["handle"])


def test_who_gets_no_lease(gate: Gate, server: Postgres) -> None:
    """Not a person's credential, not a task or a sub-agent without the scope, not for what is not configured."""
    task = opened(gate)
    child = opened(gate, parent=task.id, scopes=("send",))
    plain = opened(gate, scopes=("send", "lease:postgres:invoices"))
    before = server.roles()
    for token, grant, why in (
        (gate.credential("eve")["x-poundlock-token"], "postgres:orders:read", "Only a task has leases."),
        ("", "postgres:orders:read", "Only a task has leases."),
        (child.token, "postgres:orders:read", "Neither this task nor its tool may ask for this."),
        (plain.token, "postgres:orders:read", "Neither this task nor its tool may ask for this."),
        (task.token, "postgres:orders:admin", "There is no postgres:orders:admin to have a lease on."),
        (task.token, "ssh:orders:read", "There is no ssh:orders:read to have a lease on."),
        (task.token, "orders", "A grant is a kind of broker, a resource and a level."),
    ):
        status, said = asked(gate, token, grant)
        assert (status, said["error"]["message"]) == (400, f"Poundlock: {why}")
    assert server.roles() == before


def test_a_sub_agent_s_lease_ends_with_its_parent(gate: Gate, server: Postgres) -> None:
    """What descends from a task has nothing after it."""
    task = opened(gate)
    child = opened(gate, parent=task.id, scopes=("lease:postgres:orders:read",))
    _, said = asked(gate, child.token)
    assert said["handle"] in server.roles()
    revoke(gate, task.id)
    until(lambda: gone(server, said["handle"]))


def test_writing_waits_for_another_person(gate: Gate, server: Postgres) -> None:
    """Who asked can't agree; somebody else can, once; the approval stands in the records."""
    task = opened(gate, human=getpass.getuser())
    status, said = asked(gate, task.token, "postgres:orders:write")
    approval = said["error"]["approval"]
    assert (status, asked(gate, task.token, "postgres:orders:write")[1]["error"]["approval"]) == (409, approval)
    code, words = gate.command("approve", approval, "--yes")
    assert (code, "Nobody approves their own request" in words) == (2, True)

    async def agree() -> None:
        async with compose.approvals(config.load(gate.config.read_text())) as known:
            await known.answer(approval, by="grace", yes=True, scope="once", reason="", approvers=())

    asyncio.run(agree())
    status, said = asked(gate, task.token, "postgres:orders:write")
    assert status == 200
    assert gate.record(said["lease"], "lease")["approval"] == approval
    done = server.psql(said["variables"], "-c", "UPDATE shop.parcel SET weight = 3 WHERE id = 1 RETURNING id")
    assert done.communicate(timeout=10)[0] == "1\n"
    assert asked(gate, task.token, "postgres:orders:write")[0] == 409
    revoke(gate, task.id)
    until(lambda: gone(server, said["handle"]))


def test_no_lease_outlives_its_time(gate: Gate, server: Postgres) -> None:
    """The reaper ends it while its task goes on."""
    task = opened(gate)
    _, said = asked(gate, task.token, seconds=2)
    assert said["handle"] in server.roles()
    until(lambda: gone(server, said["handle"]), 8)
    assert gate.record(said["lease"], "lease")["event"] == "asked"
    assert told(gate, said["lease"])[-1] == "revoked"
    assert gate.command("tasks", task.id)[1].split()[2] == "lives"


def test_a_killed_gateway_leaves_nothing_for_long(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> None:
    """After kill -9 of everything: the next start ends what is over, also what was made and never handed out."""
    with running(tmp_path_factory.mktemp("killed"), RESOURCES) as gate:
        gate.mock.play(PLAIN)
        task = opened(gate)
        _, said = asked(gate, task.token, seconds=1)
        stays = opened(gate)
        _, other = asked(gate, stays.token)
        gate.stop(signal.SIGKILL)
        half = _half_made(gate, server, stays.id)
        revoke(gate, stays.id)
        time.sleep(1)
        assert {said["handle"], other["handle"], half} <= set(server.roles())
        gate.start()
        until(lambda: all(gone(server, role) for role in (said["handle"], other["handle"], half)), 10)
        assert gate.verify()[0] == 0


def test_the_tool_of_a_run(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> None:
    """`run --grant`: a tool with the role's variables, its model traffic recorded beside it, and no key anywhere."""
    script = (
        "import json, os, subprocess, urllib.request\n"
        "query = 'TABLE shop.parcel ORDER BY id'\n"
        "print(subprocess.run(['psql', '-qtAXc', query], capture_output=True, text=True))\n"
        f"body = json.dumps({ANTHROPIC.body('hello')!r}).encode()\n"
        "head = {'content-type': 'application/json', 'x-api-key': os.environ['ANTHROPIC_API_KEY']}\n"
        f"ask = urllib.request.Request(os.environ['ANTHROPIC_BASE_URL'] + '{ANTHROPIC.path}', body, head)\n"
        "urllib.request.build_opener(urllib.request.ProxyHandler({})).open(ask).read()\n"
        "print(sorted(os.environ)); print(list(os.environ.values()))\n"
    )
    key = f"provider-key-{uuid.uuid4().hex}"
    with running(tmp_path_factory.mktemp("run"), RESOURCES) as gate:
        gate.mock.play(PLAIN)
        gate.stop()
        text = gate.config.read_text()
        gate.config.write_text(
            text.replace('format = "anthropic"', 'format = "anthropic"\nkey_env = "HELD_KEY"') + "[gateway]\nport = 0\n"
        )
        done = subprocess.run(
            [
                *(sys.executable, "-m", "poundlock", "run", "--config", str(gate.config)),
                *("--grant", "postgres:orders:read", "--", sys.executable, "-c", script),
            ],
            env={**os.environ, "HELD_KEY": key, "PYTHONPATH": str(ROOT / "src"), "HOME": str(gate.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "stdout='1|3\\n2|4\\n'" in done.stdout
        assert "ORDERS_ADMIN" not in done.stdout
        assert server.key not in done.stdout + done.stderr
        assert key not in done.stdout + done.stderr
        assert gate.mock.requests()[-1].headers.count(("x-api-key", key)) == 1
        kinds = [row["kind"] for row in gate.records()]
        assert {"task", "lease", "exchange", "privilege"} <= set(kinds)
        for path in gate.folder.rglob("*"):
            with contextlib.suppress(OSError):
                assert not path.is_file() or key.encode() not in path.read_bytes()
    assert server.roles() == []


def test_a_job_with_a_token_of_its_forge(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> None:
    """An ID token in GitHub's shape becomes a task, the task a lease; another repository's token becomes nothing."""
    with issuer() as forge:
        workload = f"""
[identity.workloads.deploy]
issuer = "{forge.url}"
claims = {{ repository = "northwind/orders", ref = "refs/heads/main" }}
tool = "ci-orders"
scopes = ["send", "lease:postgres:orders:read"]
minutes = 10
"""
        with running(tmp_path_factory.mktemp("ci"), RESOURCES + workload) as gate:
            gate.mock.play(PLAIN)
            add = ("tools", "add", "ci-orders", "--sort", "ci", "--owner", "ada", "--state", "active")
            assert gate.command(*add)[0] == 0
            job = {"aud": "poundlock", "sub": "repo:northwind/orders:ref:refs/heads/main", "ref": "refs/heads/main"}
            assert _vouched(gate, forge.token(**job, repository="northwind/other"))[0] == 400
            status, said = _vouched(gate, forge.token(**job, repository="northwind/orders"))
            assert status == 200, said
            status, lease = asked(gate, said["access_token"])
            assert status == 200, lease
            done = server.psql(lease["variables"], "-c", "SELECT count(*) FROM shop.parcel")
            assert done.communicate(timeout=10)[0] == "2\n"
            assert asked(gate, said["access_token"], "postgres:orders:write")[0] == 400
            record = gate.record(lease["lease"], "lease")
            assert (record["tool"], record["owner"], record["task"]) == ("ci-orders", "ada", said["task"])
            revoke(gate, said["task"])
            until(lambda: gone(server, lease["handle"]))


def _vouched(gate: Gate, token: str) -> tuple[int, dict[str, Any]]:
    """Give an issuer's token for a task's, as a job does."""
    form = {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
    }
    head = {"content-type": "application/x-www-form-urlencoded"}
    answer = gate.raw("/oauth/token", urlencode(form).encode(), head)
    return answer.status, json.loads(answer.body)


def _half_made(gate: Gate, server: Postgres, task: str) -> str:
    """Write down a lease as a gateway does that dies before it can hand it out, and make its role."""
    now = time.time_ns()
    name = handle("abcdefabcdef", task)
    lease = Lease(
        id="abcdefabcdef",
        task=task,
        tool="claude-code",
        human="ada",
        backend="postgres",
        resource="orders",
        level="read",
        handle=name,
        opened=now,
        expires=now + HOUR,
    )

    async def work() -> None:
        async with compose.leases(config.load(gate.config.read_text())) as (file, _, _):
            await file.ask(lease)

    asyncio.run(work())
    server.sql(f"SET ROLE keeper; CREATE ROLE {name} LOGIN")
    return name
