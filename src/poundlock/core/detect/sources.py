"""The first stage: where in a text a second look pays. Hyperscan databases, or Aho-Corasick where there is none.

Gives hits (end, trigger number) with ends in code points. Must never decide that something is a finding.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTINUATION = bytes(range(0x80, 0xC0))


class Trigger(NamedTuple):
    """`expression` for Hyperscan; a hit's match starts `least` to `most` characters before the hit's end.

    `fixed`: every match is `least` characters wide and ends on a character's last byte. `literals`: lower-case texts of
    which every match holds one; none if there is no such text of three characters. Triggers of one `group` share a
    database: what must step through every byte (no literal, or a very short one) would slow down what need not.
    `then`: what must stand behind a hit, quickly told; in the first stage it would cost more than all before it.
    `without`: white space that no match of the rule can hold, so that a match can't have begun before the last of it.
    """

    expression: str
    least: int
    most: int
    fixed: bool = False
    literals: tuple[str, ...] = ()
    group: int = 0
    without: str = ""
    then: str = ""


class Source(Protocol):
    """Finds candidates."""

    def scan(self, text: str) -> list[tuple[int, int]]:
        """Give every hit as (end in code points, trigger number), in order of their ends."""


def _collect(number: int, _start: int, end: int, _flags: int, hits: list[tuple[int, int]]) -> None:
    hits.append((end - 1, number))  # the text was scanned with one character before it


def to_code_points(data: bytes, hits: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Turn ends in UTF-8 bytes into ends in code points; one pass over the data whatever the number of hits."""
    out = []
    at, count = 0, -1
    for shifted, number in hits:
        end = shifted + 1
        if end > at:
            count += len(data[at:end].translate(None, CONTINUATION))
            at = end
        out.append((count, number))
    return out


def compile_database(triggers: Sequence[Trigger]) -> bytes:
    """Compile the triggers into serialized Hyperscan databases, one a group, each behind its size in four bytes.

    Raises: `ImportError` where there is no Hyperscan; `ValueError` naming the trigger that it refuses.
    """
    import hyperscan  # noqa: PLC0415 (optional on some platforms, and not needed where a cache is)

    parts: list[bytes] = []
    for group in sorted({trigger.group for trigger in triggers}):
        numbers = [number for number, trigger in enumerate(triggers) if trigger.group == group]
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        try:
            database.compile(
                expressions=[triggers[number].expression.encode() for number in numbers],
                ids=numbers,
                flags=[0] * len(numbers),
            )
        except hyperscan.error as fault:
            for number in numbers:
                try:
                    hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK).compile(
                        expressions=[triggers[number].expression.encode()], ids=[0], flags=[0]
                    )
                except hyperscan.error as reason:
                    raise ValueError(f"trigger {number} is refused: {reason}") from reason
            raise ValueError(f"the triggers together are refused: {fault}") from fault
        data = bytes(hyperscan.dumpb(database))
        parts.append(len(data).to_bytes(4) + data)
    return b"".join(parts)


class Hyperscan:
    """Compiled databases with a pool of scratch spaces each, so that any number of threads can scan at once."""

    def __init__(self, serialized: bytes) -> None:
        """Load what `compile_database` gave."""
        import hyperscan  # noqa: PLC0415 (see compile_database)

        self._make: Any = hyperscan.Scratch
        # list.append and list.pop are atomic: a scratch is in one thread's hands or in the pool, never in two.
        self._parts: list[tuple[Any, list[Any]]] = []
        at = 0
        while at < len(serialized):
            size = int.from_bytes(serialized[at : at + 4])
            database: Any = hyperscan.loadb(serialized[at + 4 : at + 4 + size], mode=hyperscan.HS_MODE_BLOCK)
            first = hyperscan.Scratch(database)
            database.scratch = first
            self._parts.append((database, [first]))
            at += 4 + size

    def scan(self, text: str) -> list[tuple[int, int]]:
        """See `Source`."""
        # A line break before the text lets a trigger ask for a character before its match, at the start too.
        data = ("\n" + text).encode("utf-8", "surrogatepass")
        ascii_only = len(data) == len(text) + 1
        hits: list[tuple[int, int]] = []
        found = 0
        for database, pool in self._parts:
            before = len(hits)
            try:
                scratch = pool.pop()
            except IndexError:
                scratch = self._make(database)
            try:
                database.scan(data, match_event_handler=_collect, context=hits, scratch=scratch)
            finally:
                pool.append(scratch)
            found += len(hits) > before
        if found > 1:
            hits.sort()
        return hits if ascii_only or not hits else to_code_points(data, hits)


class Keywords:
    """The fallback: literals by Aho-Corasick, then each trigger's own expression in a window around its literal."""

    def __init__(self, triggers: Sequence[Trigger]) -> None:
        import ahocorasick  # noqa: PLC0415 (only where there is no Hyperscan)

        self._triggers = triggers
        self._compiled: dict[int, re.Pattern[bytes]] = {}
        self._whole = [number for number, trigger in enumerate(triggers) if not trigger.literals]
        words: dict[str, list[int]] = {}
        for number, trigger in enumerate(triggers):
            for word in trigger.literals:
                words.setdefault(word, []).append(number)
        self._automaton: Any = ahocorasick.Automaton()
        for word, numbers in words.items():
            self._automaton.add_word(word, (len(word), tuple(numbers)))
        if words:
            self._automaton.make_automaton()

    def _expression(self, number: int) -> re.Pattern[bytes]:
        found = self._compiled.get(number)
        if found is None:
            found = re.compile(self._triggers[number].expression.encode(), re.DOTALL)
            self._compiled[number] = found
        return found

    def scan(self, text: str) -> list[tuple[int, int]]:
        """See `Source`."""
        data = ("\n" + text).encode("utf-8", "surrogatepass")
        hits: set[tuple[int, int]] = set()
        for number in self._whole:
            hits.update((found.end() - 1, number) for found in self._expression(number).finditer(data))
        done: dict[int, int] = {}
        # Lower-cased bytes as Latin-1: one character a byte, and only ASCII letters change.
        folded = data.lower().decode("latin-1")
        if len(self._automaton):
            for last, (size, numbers) in self._automaton.iter(folded):
                for number in numbers:
                    # Widths are in characters, this window in bytes: four bytes a character at most.
                    reach = self._triggers[number].most * 4
                    low = max(last + 1 - size - reach, done.get(number, 0), 0)
                    for found in self._expression(number).finditer(data, low, last + 1 + reach):
                        hits.add((found.end() - 1, number))
                        done[number] = found.start() + 1
        return to_code_points(data, sorted(hits))
