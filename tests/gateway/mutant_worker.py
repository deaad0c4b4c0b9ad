"""`poundlock` with one thing broken on purpose: ``python -m tests.gateway.mutant_worker MUTANT serve …``.

Each mutant breaks one promise in one place; the attack on that promise must then succeed, which proves that its test
can fail. Workers are forked, so what is patched here is patched in them. There is no hook for this in the product.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from poundlock.adapters import credentials
from poundlock.adapters.sqlite import ProofFile, Questions, SqliteStore
from poundlock.adapters.sqlite.writer import Writer
from poundlock.cli.main import main
from poundlock.core import conversation, pipeline, restorers, ruling, stream, surrogates
from poundlock.core.conversation import KnownValues
from poundlock.core.detect import views
from poundlock.core.errors import ConfigFault, Fault
from poundlock.core.model import Principal, Rung
from poundlock.core.policy.decide import Policies
from poundlock.gateway import exchange
from poundlock.gateway.auth import Presence
from poundlock.gateway.exchange import Exchange
from poundlock.gateway.snapshot import Snapshots
from poundlock.gateway.way_home import Home
from poundlock.ports import Committed
from poundlock.web import data_plane, requests
from poundlock.wire import events, framing, passages

if TYPE_CHECKING:
    from collections.abc import Callable

MUTANTS: dict[str, Callable[[], None]] = {}


def mutant(patch: Callable[[], None]) -> Callable[[], None]:
    """Register a mutant under the name of its function."""
    MUTANTS[patch.__name__] = patch
    return patch


@mutant
def sends_what_came() -> None:
    """Promise 1: the client's bytes go on instead of what was encoded from the inspected tree."""
    decode = Exchange._decode

    def patched(self: Exchange, way: Any, request: Any) -> Any:
        body = decode(self, way, request)
        return SimpleNamespace(document=body.document, encode=lambda _texts: request.body)

    Exchange._decode = patched  # type: ignore[method-assign,assignment]


@mutant
def opens_no_encoding() -> None:
    """Promise 1: text in base64 and the like is not looked into."""
    views.VIEWS = tuple(view._replace(open=lambda *_: None) for view in views.VIEWS)  # type: ignore[misc]


@mutant
def sends_before_commit() -> None:
    """Promise 2: the record is written while the request is on its way."""
    commit = SqliteStore.commit
    late: set[asyncio.Task[Any]] = set()

    async def patched(self: SqliteStore, entry: Any) -> Committed:
        async def write() -> None:
            await asyncio.sleep(0.05)
            with contextlib.suppress(Fault):
                await commit(self, entry)

        task = asyncio.get_running_loop().create_task(write())
        late.add(task)
        task.add_done_callback(late.discard)
        return Committed(seq=0, hash="")

    SqliteStore.commit = patched  # type: ignore[method-assign]


@mutant
def sends_without_record() -> None:
    """Promise 2: a record that can't be written is done without."""
    commit = SqliteStore.commit

    async def patched(self: SqliteStore, entry: Any) -> Committed:
        with contextlib.suppress(Fault):
            return await commit(self, entry)
        return Committed(seq=0, hash="")

    SqliteStore.commit = patched  # type: ignore[method-assign]


@mutant
def restores_for_anyone() -> None:
    """Promise 5: whatever was issued to anyone is restored to everyone."""
    everything: dict[str, Any] = {}
    begin = stream.Homeward.__init__

    def patched(self: Any, issued: Any, *rest: Any) -> None:
        everything.update(issued)
        begin(self, dict(everything), *rest)

    stream.Homeward.__init__ = patched  # type: ignore[method-assign]


@mutant
def takes_what_was_typed() -> None:
    """Promise 5: a surrogate's text that the person typed is minted for a value all the same."""
    mint = surrogates.mint
    surrogates.mint = lambda kind, value, key, _taken=(): mint(kind, value, key)


@mutant
def holds_nothing_back() -> None:
    """Promise 5: a surrogate is only seen when it comes in one piece."""
    restorers.unfinished = lambda text, _start=0: len(text)


@mutant
def forgets_stored_answers() -> None:
    """Promise 4: what a stored answer was given is not remembered under its id."""

    async def patched(self: Exchange, home: Home) -> None:
        del self, home

    Exchange._remember = patched  # type: ignore[method-assign]


@mutant
def loses_what_it_held() -> None:
    """Promise 5: what was held back is forgotten when an answer ends."""
    events.EventCodec.finish = lambda _self: b""  # type: ignore[method-assign]


@mutant
def ends_no_event() -> None:
    """Promise 5: when an answer breaks in the middle of an event, what follows is glued to it."""
    framing.whole = lambda data: data


@mutant
def restores_into_any_sink() -> None:
    """Promise 5: policy is not asked whether a value may go into a command that uses the network."""
    stream.Homeward.allows = lambda _self, _surrogate, _sink: True  # type: ignore[method-assign]


@mutant
def stays_with_the_call() -> None:
    """Promise 7: nobody notices that a client has gone."""
    data_plane._Answer.leave = lambda _self: None  # type: ignore[method-assign]


@mutant
def keeps_any_event() -> None:
    """Promise 7: an event may be as long as it likes."""
    begin = framing.EventSplitter.__init__
    framing.EventSplitter.__init__ = lambda self, _limit=0: begin(self, 1 << 40)  # type: ignore[method-assign,assignment]


@mutant
def waits_for_no_reader() -> None:
    """Promise 7: what a reader doesn't take is kept for it."""
    waiting: set[asyncio.Task[None]] = set()

    async def patched(self: Home, respond: Any, chunk: bytes) -> None:
        if chunk:
            self.given += len(chunk)
            task = asyncio.get_running_loop().create_task(respond.send(chunk))
            waiting.add(task)
            task.add_done_callback(waiting.discard)

    Home.give = patched  # type: ignore[method-assign]


@mutant
def has_no_door() -> None:
    """Promise 6: `Host` and `Origin` are not looked at."""
    requests.door = lambda *_: None


@mutant
def remembers_credentials() -> None:
    """Promise 6: the file of credentials is read once."""
    refresh = credentials.Credentials._refresh

    def patched(self: Any) -> None:
        if self._stamp is None:
            refresh(self)

    credentials.Credentials._refresh = patched  # type: ignore[method-assign]


@mutant
def ends_no_stream() -> None:
    """Revocation: look only when a request begins."""

    async def patched(self: Presence) -> None:
        await asyncio.sleep(3600)

    Presence.watch = patched  # type: ignore[method-assign]


@mutant
def remembers_tasks() -> None:
    """Revocation: ask the register only once for each credential."""
    ask = Questions.by_credential
    known: dict[str, Any] = {}

    def patched(self: Questions, digest: str) -> Any:
        if digest not in known:
            known[digest] = ask(self, digest)
        return known[digest]

    Questions.by_credential = patched  # type: ignore[method-assign]


@mutant
def takes_a_proof_twice() -> None:
    """Identity: remember no proof."""
    ProofFile.first = lambda *_: True  # type: ignore[method-assign,assignment]


@mutant
def spends_the_key_for_anybody() -> None:
    """Identity: put a key that the gateway holds on for whoever reaches the port."""
    Principal.proven = property(lambda _self: True)  # type: ignore[assignment,method-assign]


@mutant
def lets_policy_errors_through() -> None:
    """Promise 6: what policy could not answer is a yes."""
    decide = Policies.decide

    def patched(self: Policies, facts: Any) -> Any:
        answer = decide(self, facts)
        if not answer.errors:
            return answer
        treatments = tuple("disguise" for _ in answer.treatments)
        return type(answer)(rung=Rung.SEND_DISGUISED, treatments=treatments, reasons=(), advice=())

    Policies.decide = patched  # type: ignore[method-assign]


@mutant
def swaps_in_a_bad_snapshot() -> None:
    """Promise 6: rules that don't load leave no rules at all."""
    refresh = Snapshots.refresh

    async def patched(self: Snapshots) -> bool:
        changed = await refresh(self)
        if self.fault is not None:
            nothing = SimpleNamespace(detect=lambda *_, **__: (), digest="none")
            old = self.current
            fields = {name: getattr(old, name) for name in old.__struct_fields__} | {"detector": nothing}
            self.current = type(old)(**{**fields, "digest": "none"})
        return changed

    Snapshots.refresh = patched  # type: ignore[method-assign]


@mutant
def refuses_for_ever() -> None:
    """Promise 11: that a value was refused already is forgotten."""
    newly = pipeline._newly
    pipeline._newly = lambda document, findings, _refused: newly(document, findings, frozenset())


@mutant
def refuses_what_was_read() -> None:
    """Promise 11: what a tool read is treated as if it had been typed."""
    groups = pipeline.classify.groups

    def patched(document: Any, findings: Any, newly: Any) -> Any:
        found, group_of = groups(document, findings, newly)
        typed = [
            type(g)(**{name: getattr(g, name) for name in g.__struct_fields__} | {"origin": "typed"}) for g in found
        ]
        return tuple(typed), group_of

    pipeline.classify.groups = patched


@mutant
def forgets_the_move() -> None:
    """Promise 4: that a conversation was moved to a model inside the boundary is forgotten."""
    through = ruling._through

    def patched(policies: Any, facts: Any, context: Any, *rest: Any) -> Any:
        kept = tuple(label for label in context.labels if label != ruling.LOCAL)
        fields = {name: getattr(context, name) for name in context.__struct_fields__} | {"labels": kept}
        return through(policies, facts, type(context)(**fields), *rest)

    ruling._through = patched


@mutant
def asks_nobody() -> None:
    """Promise 6: what needs a person's consent is taken for admitted."""
    settle = ruling.approvals.settle

    def patched(*given: Any) -> Any:
        settled = settle(*given)
        waits = settled.rung is Rung.SEND_APPROVED
        return settled._replace(rung=Rung.SEND_DISGUISED) if waits else settled

    ruling.approvals.settle = patched


@mutant
def knows_no_value() -> None:
    """Promise 4: a value is only recognised where its surroundings give it away."""
    KnownValues.find = lambda _self, _text: iter(())  # type: ignore[method-assign]


@mutant
def mints_at_random() -> None:
    """Promise 4: each process mints its own surrogates, and forgets those of others."""
    mint, own = surrogates.mint, {0: b""}

    def patched(kind: str, value: str, key: Any, taken: Any = ()) -> Any:
        own.setdefault(os.getpid(), os.urandom(32))
        fields = {name: getattr(key, name) for name in key.__struct_fields__} | {"mint": own[os.getpid()]}
        return mint(kind, value, type(key)(**fields), taken)

    surrogates.mint = patched
    recognise = conversation.recognise
    conversation.recognise = lambda document, detector, key, _issued, *rest: recognise(
        document, detector, key, {}, *rest
    )


@mutant
def shares_the_memo() -> None:
    """Promise 4: what was found in a string for one person is used for another."""
    digest = conversation._digest
    conversation._digest = lambda segment, _salt: digest(segment, b"one for all")


@mutant
def inspects_all_anew() -> None:
    """Promise 9: nothing is remembered of the last turn."""
    conversation.Memo.get = lambda _self, _key: None  # type: ignore[method-assign]
    passages.Passages.put = lambda _self, _kept: None  # type: ignore[method-assign]
    passages.Passages.passed = lambda _self, _name, _past: None  # type: ignore[method-assign]


@mutant
def records_the_text() -> None:
    """Promise 3: a record holds what was said."""
    body = pipeline._body

    def patched(document: Any, *rest: Any) -> dict[str, Any]:
        return {**body(document, *rest), "said": [segment.text for segment in document.segments]}

    pipeline._body = patched


@mutant
def prints_its_errors() -> None:
    """Promise 3: an error of our own is printed with what was under way."""
    look = pipeline.inspect

    def patched(document: Any, *rest: Any, **more: Any) -> Any:
        print([segment.text for segment in document.segments], file=sys.stderr, flush=True)
        return look(document, *rest, **more)

    exchange.pipeline.inspect = patched


@mutant
def turns_read_only() -> None:
    """No mutant but a fault to test with: the database can't be written while a file `fault` is there."""
    begin = Writer._begin

    def patched(self: Writer, connection: Any) -> None:
        connection.execute(f"PRAGMA query_only = {int(Path('fault').exists())}")
        begin(self, connection)

    Writer._begin = patched  # type: ignore[method-assign]


@mutant
def loses_its_writer() -> None:
    """No mutant but a fault to test with: the thread that writes dies when a file `fault` is there."""
    begin = Writer._begin

    def patched(self: Writer, connection: Any) -> None:
        if Path("fault").exists():
            raise KeyboardInterrupt
        begin(self, connection)

    Writer._begin = patched  # type: ignore[method-assign]


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    MUTANTS[sys.argv[1]]()
    try:
        sys.exit(main(sys.argv[2:]))
    except ConfigFault as fault:
        sys.exit(fault.message)
