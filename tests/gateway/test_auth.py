"""Who is calling: what each kind of credential gives, and what a revocation ends, in every worker."""

import asyncio
import contextlib

import pytest

from poundlock.core.errors import ClientFault
from poundlock.core.identity import registry, tasks
from poundlock.core.identity.registry import EVERYBODY
from poundlock.core.model import Reach
from poundlock.gateway.auth import Presence, Refused
from tests.gateway.callers import ASKED, HOUR, NOW, SECOND, gone, place


async def who(callers, token=None, agent="", peer="127.0.0.1"):
    """Ask who is calling."""
    return await callers.authenticate(token, {"user-agent": agent}, peer, ASKED)


async def refused(callers, token=None, agent="", peer="127.0.0.1"):
    """Ask, and give the words of the refusal."""
    with pytest.raises(ClientFault) as fault:
        await who(callers, token, agent, peer)
    return fault.value.message


async def test_a_credential_of_the_file_names_the_person_and_the_tool(tmp_path):
    """A tool that was registered is not a claim; what the User-Agent says does not count then."""
    async with place(tmp_path) as at:
        token = at.credentials.add(name="run", human="bob", tool="claude-code", task="t9")
        principal = await who(at.callers, token, "curl/8")
        assert (principal.human, principal.tool, principal.tool_claimed, principal.task) == (
            "bob",
            "claude-code",
            False,
            "t9",
        )
        assert (principal.authenticated, principal.proven, principal.owner) == ("credential", True, "bob")


async def test_a_credential_without_a_tool_leaves_the_claim(tmp_path):
    """A person's own credential serves any tool; the tool is only claimed, and no entry speaks for it."""
    async with place(tmp_path) as at:
        await at.tool(destinations=("openai",))
        token = at.credentials.add(name="me", human="ada")
        principal = await who(at.callers, token, "claude-cli/2.1.329 (external, sdk-cli)")
        assert (principal.tool, principal.tool_claimed, principal.reach) == ("claude-code", True, Reach())


@pytest.mark.parametrize(
    ("open_loopback", "peer", "known"),
    [(True, "127.0.0.1", True), (True, "::1", True), (True, "10.0.0.9", False), (False, "127.0.0.1", False)],
)
async def test_without_a_credential_only_the_own_machine_may_call(tmp_path, open_loopback, peer, known):
    """And only where the profile says so; the process that calls is named, as a claim."""
    async with place(tmp_path) as at:
        principal = await who(at.other(open_loopback=open_loopback), peer=peer)
        assert (principal is not None) == known
        if known:
            assert (principal.human, principal.authenticated, principal.tool_claimed) == ("ada", "loopback", True)
            assert (principal.process, principal.proven) == ("process of 40000 to 8787", False)


async def test_a_wrong_credential_is_worse_than_none(tmp_path):
    """Who shows a credential that is not known is refused, from the own machine too."""
    async with place(tmp_path) as at:
        assert await who(at.callers, "pl_wrong") is None


async def test_a_task_is_who_it_was_opened_for(tmp_path):
    """The human, the tool with its owner, the task, its scopes, and what the register lets it reach."""
    async with place(tmp_path) as at:
        await at.tool(destinations=("openai",), privilege="calls", max_tier="internal")
        token, task = await at.task(team="core", scopes=("send:openai",))
        principal = await who(at.callers, token, "curl/8")
        assert (principal.human, principal.tool, principal.owner, principal.team, principal.task) == (
            "bob",
            "claude-code",
            "ada",
            "core",
            task.id,
        )
        assert (principal.authenticated, principal.tool_claimed, principal.scopes) == ("task", False, ("send:openai",))
        assert (principal.state, principal.privilege) == ("active", "calls")
        assert principal.reach == Reach(destinations=("openai",), max_tier="internal")


async def test_a_proposed_tool_counts_as_claimed(tmp_path):
    """Until somebody makes it active, policy sees a tool that is not registered."""
    async with place(tmp_path) as at:
        await at.tool(state="proposed")
        token, _ = await at.task()
        assert (await who(at.callers, token)).tool_claimed


async def test_a_sub_agent_acts_in_a_chain(tmp_path):
    """Its principal names each tool, for the same human, and reaches what all of them may."""
    async with place(tmp_path) as at:
        await at.tool(destinations=("openai", "anthropic"))
        await at.tool("sub", destinations=("openai",))
        _, task = await at.task()
        token, _ = await at.child(task, tool="sub", asked=["send:openai"])
        principal = await who(at.callers, token)
        assert (principal.chain, principal.human, principal.scopes) == (("claude-code", "sub"), "bob", ("send:openai",))
        assert principal.reach.destinations == ("openai",)


async def test_a_task_lives_as_long_as_it_is_renewed(tmp_path):
    """Ten minutes at a time, and never longer than its end."""
    async with place(tmp_path) as at:
        await at.tool()
        token, task = await at.task(expires=NOW + HOUR)
        at.clock.time += tasks.LIFE - 1
        assert await who(at.callers, token)
        assert await at.known.renew(task.id)
        at.clock.time += tasks.LIFE - 1
        assert await who(at.callers, token)
        at.clock.time += 1
        assert await refused(at.callers, token) == "The task's time is over."
        assert not await at.known.renew(task.id)


async def test_no_renewal_outlives_the_end(tmp_path):
    """The end that was set when it was opened holds."""
    async with place(tmp_path) as at:
        await at.tool()
        token, task = await at.task(expires=NOW + 60 * SECOND)
        at.clock.time += 59 * SECOND
        assert await at.known.renew(task.id)
        assert await who(at.callers, token)
        at.clock.time += SECOND
        assert await refused(at.callers, token) == "The task's time is over."


async def end_task(at, task):
    """End one task."""
    assert await at.known.end_task(task.id, reason="stolen")


async def end_tool(at, _task):
    """End a tool."""
    await at.known.end_tool("claude-code", reason="stolen")


async def end_person(at, _task):
    """End a person."""
    await at.known.set_person("bob", gone=True, reason="left")


async def end_all(at, _task):
    """End everything."""
    await at.known.set_person(EVERYBODY, gone=True, reason="fire")


async def retire(at, _task):
    """Retire the tool in the register."""
    await at.tool(state="retired")


async def disown(at, _task):
    """Have the tool's owner leave, longer ago than any grace."""
    at.clock.time = gone()
    await at.known.set_person("ada", gone=True, reason="left")
    at.clock.time = NOW


WAYS = (end_task, end_tool, end_person, end_all, retire, disown)


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_revoked_is_refused_in_every_worker_at_once(tmp_path, way):
    """With all of its descendants; two workers can't disagree, since each asks the file."""
    async with place(tmp_path) as at:
        await at.tool()
        token, task = await at.task()
        below, child = await at.child(task)
        lowest, _ = await at.child(child)
        workers = [at.callers, at.other()]
        for worker in workers:
            for each in (token, below, lowest):
                assert await who(worker, each)
        await way(at, task)
        for worker in workers:
            for each in (token, below, lowest):
                assert await refused(worker, each)


@pytest.mark.parametrize("way", WAYS)
async def test_a_revoked_parent_opens_no_child(tmp_path, way):
    """Whatever it was; and the refusal goes on record."""
    async with place(tmp_path) as at:
        await at.tool()
        _, task = await at.task()
        await way(at, task)
        before = next(at.ids)
        with pytest.raises(ClientFault):
            await at.child(task)
        kinds = [(row.kind, row.body.get("event")) for row in await at.store.find(f"{before + 1:012x}")]
        assert kinds == [("task", "refused")]


async def test_a_child_can_end_alone(tmp_path):
    """What ends below does not end what is above."""
    async with place(tmp_path) as at:
        await at.tool()
        token, task = await at.task()
        below, child = await at.child(task)
        await at.known.end_task(child.id, reason="done")
        assert await who(at.callers, token)
        assert await refused(at.callers, below) == "The task was ended: done."


async def test_a_revocation_survives_a_restart(tmp_path):
    """It stands in the file, not in a memory."""
    async with place(tmp_path) as at:
        await at.tool()
        token, _ = await at.task()
        await at.known.end_tool("claude-code", reason="stolen")
    async with place(tmp_path) as at:
        assert await refused(at.callers, token) == "All tasks of the tool claude-code were ended."
        await at.tool()  # active again: what was ended stays ended
        assert await refused(at.callers, token) == "All tasks of the tool claude-code were ended."
        again, _ = await at.task(tool="claude-code", parent="")
        assert await who(at.callers, again)


async def test_everything_can_be_stopped_and_started(tmp_path):
    """Nobody is let in meanwhile; what was begun before stays ended, file credentials and the own machine come back."""
    async with place(tmp_path) as at:
        await at.tool()
        token, _ = await at.task()
        kept = at.credentials.add(name="me", human="ada")
        await at.known.set_person(EVERYBODY, gone=True, reason="fire")
        for each in (token, kept, None):
            assert await refused(at.callers, each) == "Everything was stopped."
        await at.known.set_person(EVERYBODY, gone=False, reason="over")
        assert await refused(at.callers, token) == "All tasks were ended."
        assert await who(at.callers, kept)
        assert await who(at.callers)


async def test_a_suspended_tool_is_refused_with_any_credential(tmp_path):
    """A credential of the file that names it, and a caller that claims to be it; the record says who."""
    async with place(tmp_path) as at:
        await at.tool()
        token = at.credentials.add(name="ci", human="bob", tool="claude-code")
        await at.known.end_tool("claude-code", reason="stolen")
        with pytest.raises(Refused) as fault:
            await who(at.callers, token)
        assert fault.value.about == {"human": "bob", "tool": "claude-code", "owner": "ada", "task": ""}
        assert await refused(at.callers, None, "claude-cli/2.1") == "The tool claude-code is suspended."
        assert await who(at.callers, None, "curl/8")


async def test_a_header_that_claims_another_principal_changes_nothing(tmp_path):
    """Only the credential says who it is."""
    async with place(tmp_path) as at:
        await at.tool()
        token, task = await at.task()
        plain = await at.callers.authenticate(token, {}, "127.0.0.1", ASKED)
        names = ("x-poundlock-human", "x-poundlock-task", "x-poundlock-tool", "x-forwarded-user", "x-forwarded-for")
        assert await at.callers.authenticate(token, dict.fromkeys(names, "root"), "10.0.0.1", ASKED) == plain
        assert plain.task == task.id


async def test_every_change_is_on_record(tmp_path):
    """Who, what, and why; a privilege that changes has a record of its own."""
    async with place(tmp_path) as at:
        await at.tool()
        await at.tool(privilege="holds")
        _, task = await at.task()
        _, child = await at.child(task)
        await at.known.end_task(task.id, reason="done")
        await at.known.end_tool("claude-code", reason="stolen")
        await at.known.set_person("bob", gone=True, reason="left")
        await at.known.deny([("token-1", NOW)], reason="lost")
        found = []
        for name in ("claude-code", task.id, child.id, "bob", "token-1"):
            found += await at.store.find(name)
        rows = [(row.kind, row.body.get("event") or row.body.get("what"), row.body["by"]) for row in found]
        assert rows == [
            ("tool", "added", "ada"),
            ("tool", "changed", "ada"),
            ("privilege", None, "ada"),
            ("revoked", "tool", "ada"),
            ("task", "issued", "ada"),
            ("task", "ended", "ada"),
            ("task", "exchanged", "ada"),
            ("revoked", "person", "ada"),
            ("revoked", "token", "ada"),
        ]
        issued = found[4].body
        assert (issued["owner"], issued["human"], issued["tool"], issued["scopes"]) == (
            "ada",
            "bob",
            "claude-code",
            ["send", "mcp"],
        )


async def test_a_list_of_who_is_there_says_who_has_left(tmp_path):
    """Owners that are missing from it have left, and who is on it again has come back."""
    async with place(tmp_path) as at:
        await at.tool()
        await at.tool("other", owner="eve")
        assert await at.known.present(["ada"], reason="list") == (["eve"], [])
        assert at.known.ask.person("eve").gone
        assert await at.known.present(["ada", "eve"], reason="list") == ([], ["eve"])
        assert await at.known.present(["ada", "eve"], reason="list") == ([], [])
        assert registry.tool_refused((at.known.ask.tool("other")).tool, at.known.ask.person("eve"), now=NOW) is None


@pytest.mark.parametrize("way", WAYS)
async def test_an_open_exchange_ends_with_what_it_runs_under(tmp_path, way):
    """The running task is cancelled, once, and can say why; another one goes on."""
    async with place(tmp_path) as at:
        await at.tool()
        await at.tool("other", owner="eve")
        presence = Presence(at.callers)
        token, task = await at.task()
        stays, _ = await at.task("other", human="eve")
        said = []

        async def exchange(token):
            assert await presence.admit(token, {}, "127.0.0.1", ASKED)
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if (ended := presence.ended()) is None:
                    raise
                said.append((ended.message, ended.about["human"], presence.revoked))
            finally:
                presence.leave()

        running, other = asyncio.create_task(exchange(token)), asyncio.create_task(exchange(stays))
        await asyncio.sleep(0.05)
        await presence.look()
        assert said == []
        await way(at, task)
        await presence.look(everyone=False)
        await running
        await asyncio.sleep(0)
        assert sorted(row[1:] for row in said) == [("bob", True), *([("eve", True)] if way is end_all else [])]
        assert other.done() is (way is end_all)
        other.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await other


async def test_a_client_that_goes_is_no_revocation(tmp_path):
    """Its cancellation stays one."""
    async with place(tmp_path) as at:
        presence = Presence(at.callers)

        async def exchange():
            assert await presence.admit(None, {}, "127.0.0.1", ASKED)
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                assert presence.ended() is None
                raise

        running = asyncio.create_task(exchange())
        await asyncio.sleep(0.05)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_a_credential_of_the_file_that_ends_ends_what_is_open(tmp_path):
    """As soon as its line is gone."""
    async with place(tmp_path) as at:
        token = at.credentials.add(name="ci", human="bob")
        admission = await at.callers.admit(token, {}, "127.0.0.1", ASKED)
        before = await at.callers.revision()
        assert await at.callers.withdrawn(admission) is None
        at.credentials.remove("ci")
        assert await at.callers.revision() != before
        assert (await at.callers.withdrawn(admission)).message == "The credential was ended."
