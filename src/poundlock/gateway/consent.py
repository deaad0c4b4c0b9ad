"""Tool calls that need a person: asked without holding the stream, since an agent can call again.

A call that policy leaves to a person is refused with the number of an approval; once that is given, the same call (the
same tool with the same arguments, in the same conversation) goes on. INVARIANT: a question is on record, and an
approval used, before the client gets the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from poundlock.core import surrogates
from poundlock.core.approvals import Needs
from poundlock.core.errors import ClientFault

if TYPE_CHECKING:
    from poundlock.core.gate import Consent
    from poundlock.core.model import Destination, Principal, ScopeKey
    from poundlock.core.policy.decide import CallAnswer
    from poundlock.gateway.approvals import Desk

SHOWN = 320
"""Characters of a call that an approver sees; they are sealed, and hold stand-ins for what was found."""


class _Question(NamedTuple):
    id: str
    needs: Needs
    answer: CallAnswer
    excerpt: str


class Calls:
    """The calls of one answer."""

    def __init__(
        self,
        desk: Desk,
        principal: Principal,
        destination: Destination,
        conversation: str,
        key: ScopeKey,
        exchange: str,
    ) -> None:
        """Know whose answer it is; `conversation` is a keyed hash."""
        self._desk = desk
        self._principal = principal
        self._destination = destination
        self._conversation = conversation
        self._key = key
        self._exchange = exchange
        self._questions: list[_Question] = []
        self._used: dict[str, None] = {}

    def consent(self, tool: str, arguments: Any, answer: CallAnswer) -> Consent:
        """Say whether a person has admitted this call, or under which number they may."""
        written = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments, order="sorted").decode()
        need = surrogates.fingerprint(f"call\0{tool}\0{written}", self._key)
        needs = Needs(values=(need,), kinds=((f"call of {tool}"[:80], 1),))
        found = self._desk.call(self._principal, self._conversation, self._destination, needs)
        if found.admitted:
            self._used[found.id] = None
        elif found.id and not any(each.id == found.id for each in self._questions):
            excerpt = " ".join(f"{tool}: {written}".split())[:SHOWN]
            self._questions.append(_Question(found.id, needs, answer, excerpt))
        return found

    @property
    def open(self) -> bool:
        """Whether there is something to put on record."""
        return bool(self._questions or self._used)

    async def settle(self) -> None:
        """Put what was asked and used on record. Raises: `Fault`; the client gets nothing then."""
        questions, self._questions = self._questions, []
        used, self._used = tuple(self._used), {}
        await self._desk.use(used, self._exchange)
        for each in questions:
            try:
                await self._desk.ask_call(
                    each.needs,
                    each.answer,
                    self._principal,
                    self._conversation,
                    self._destination,
                    id=each.id,
                    exchange=self._exchange,
                    excerpt=each.excerpt,
                )
            except ClientFault:
                continue  # too many questions are open: this one is asked when the call is made again
