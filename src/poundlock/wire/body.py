"""JSON bodies: decoding with limits, gathering every string as a segment, and encoding the inspected tree again.

What is scanned is what is sent: the bytes that leave are encoded from the very tree of which each string was made a
segment. This module must never splice bytes of a body, never parse one a second way, and never let a string through
that is neither a segment nor one of the words that it knows by heart.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from poundlock.core.errors import ClientFault, UpstreamFault
from poundlock.core.model import Document, Origin, Role, Segment, SegmentKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from poundlock.core.gate import Gate
    from poundlock.core.stream import Homeward

NESTING = 256
"""Containers within containers, the body itself counted."""
LONG_NUMBER = 10**8
"""Integers from here on have the length of a social security number, a phone number or a card number."""

BOM = b"\xef\xbb\xbf"
NOTE_BOM = "byte order mark removed"
NOTE_SURROGATE = "lone surrogate escapes became U+FFFD"

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_LONG_RAW = re.compile(r"(?:[0-9][.eE+-]{0,3}){9}")
_SEALED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-.:\r\n"
_ID = re.compile(
    r"(?:toolu|srvtoolu|mcptoolu|call|msg|file|container|chatcmpl|resp|rs|fc|req|tool|run|thread|asst|cmpl|skill|audio)"
    r"[_-][A-Za-z0-9_-]{1,64}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[A-Za-z0-9]{1,9}"
)
_MODEL = re.compile(r"(?=.{1,96}\Z)[A-Za-z0-9]{1,16}(?:[-._:/@+][A-Za-z0-9]{1,16}){0,14}(?:\[[0-9a-z]{1,4}\])?")
_MEDIA = re.compile(r"[a-z]{1,16}/[a-z0-9.+-]{1,40}")


def words(table: str) -> frozenset[str]:
    """Give the words of a table."""
    return frozenset(table.split())


# Names that stand in many bodies and are nobody's secret: these very words, and none else, are not made segments.
SCHEMA_WORDS = words(
    """
    $schema $ref $defs $id definitions type properties required items description title default enum const format
    additionalProperties anyOf oneOf allOf not minimum maximum exclusiveMinimum exclusiveMaximum minLength maxLength
    minItems maxItems uniqueItems pattern patternProperties propertyNames prefixItems examples nullable strict
    object string number integer boolean array null
    """
)
COMMON_NAMES = SCHEMA_WORDS | words(
    """
    name content text role input id model messages tools system metadata stream temperature max_tokens top_p top_k
    file_path path file filename command query url prompt pattern old_string new_string replace_all offset limit
    timeout todos status output glob regex recursive encoding language code cwd args arguments parameters function
    subagent_type run_in_background multiline head_limit output_mode questions options header label multiSelect
    activeForm notebook_path cell_id cell_type edit_mode new_source allowed_domains blocked_domains explanation
    start end start_line end_line line lines message key value data user stop index seed
    """
)
COMMON_VALUES = SCHEMA_WORDS | words(
    "text user assistant system tool function auto any none ephemeral 5m 1h enabled disabled adaptive low medium high"
)


class Voice(NamedTuple):
    """Who speaks in a part of a body: the fields that all segments of the part share."""

    role: Role
    kind: SegmentKind
    origin: Origin
    turn: int = 0
    tool: str = ""


def _raw(number: str) -> msgspec.Raw:
    return msgspec.Raw(number.encode())


# Floats stay the text that they are: no rounding, and 1e400 is no infinity. Integers of any size are exact anyway.
_decoder = msgspec.json.Decoder(float_hook=_raw)
_encoder = msgspec.json.Encoder()


def parse(data: bytes) -> Any:
    """Parse JSON whose floats become `msgspec.Raw`; the last of equal keys wins.

    Raises: `ValueError` (which `msgspec.DecodeError` is) or `RecursionError` for what isn't JSON in UTF-8.
    """
    return _decoder.decode(data)


def reparse(data: bytes) -> Any:
    """Parse JSON from a provider; half surrogate pairs, which a model may write, become U+FFFD.

    Raises: `ValueError` or `RecursionError`, as `parse`.
    """
    try:
        return parse(data)
    except msgspec.DecodeError:
        return parse(without_lone_surrogates(data))


def write(tree: Any) -> bytes:
    """Encode a tree that `parse` gave, compactly."""
    return _encoder.encode(tree)


def renamed(data: bytes, model: str) -> bytes:
    """Give a body of our own encoding with another model's name, for a server that serves other models."""
    tree = parse(data)
    if not isinstance(tree, dict) or tree.get("model") == model:
        return data
    return write({**tree, "model": model}) if "model" in tree else data


def without_lone_surrogates(data: bytes) -> bytes:
    """Give JSON in which each escape of half a surrogate pair is the escape of U+FFFD."""
    return _ESCAPE.sub(lambda match: rb"\ufffd" if match[1] else match[0], data)


def decode(data: bytes) -> tuple[Any, tuple[str, ...]]:
    """Decode a request body; give its tree and notes on what was put right in it.

    Raises: `ClientFault` for what isn't JSON in UTF-8, or is nested too deeply.
    """
    notes: list[str] = []
    if data.startswith(BOM):
        data = data[len(BOM) :]
        notes.append(NOTE_BOM)
    try:
        try:
            return parse(data), tuple(notes)
        except msgspec.DecodeError:
            mended = without_lone_surrogates(data)
            if mended == data:
                raise
            tree = parse(mended)
            notes.append(NOTE_SURROGATE)
            return tree, tuple(notes)
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        # The parser's own message may hold the client's text.
        raise ClientFault(
            "The body is not valid JSON in UTF-8.", advice="Send one JSON document, encoded in UTF-8."
        ) from None


def decode_object(
    data: bytes, advice: str = "Send what the API reference describes."
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Decode a request body that must be an object, as `decode` does. Raises: `ClientFault`, with this advice."""
    tree, notes = decode(data)
    if not isinstance(tree, dict):
        raise ClientFault("The body is not a JSON object.", advice=advice)
    return tree, notes


# What stands in every answer that calls a tool, in any format.
_CALL = re.compile(rb"tool_use|toolUse|tool_calls|_call\"|function_?[cC]all")


def restored_whole(
    data: bytes,
    homeward: Homeward,
    restore: Callable[[Any], bool],
    judge: Callable[[Any, Gate], bool] | None = None,
) -> bytes:
    """Judge the calls and restore in a whole answer; the same bytes where nothing changes.

    Both change the answer's tree in place and tell whether they did. Raises: `UpstreamFault` for what isn't JSON.
    """
    gate = homeward.gate if judge and _CALL.search(data) else None
    if homeward.idle and gate is None:
        return data
    try:
        tree = reparse(data)
    except (ValueError, RecursionError):
        raise UpstreamFault("The provider's answer is not valid JSON.") from None
    changed = judge(tree, gate) if judge and gate else False
    changed |= restore(tree)
    homeward.close()
    return write(tree) if changed else data


def restored_member(holder: Any, name: str, homeward: Homeward) -> bool:
    """Restore in the text of a member, if `holder` is an object that has one; tell whether it changed."""
    text = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(text, str):
        return False
    holder[name] = homeward.restore_text(text)
    return bool(holder[name] != text)


def _too_deep() -> ClientFault:
    return ClientFault(f"The body is nested deeper than {NESTING} levels.", advice="Send it with fewer levels.")


def check_nesting(path: tuple[str | int, ...]) -> None:
    """Refuse a container to which more than `NESTING` steps lead, itself counted. Raises: `ClientFault`."""
    if len(path) >= NESTING:
        raise _too_deep()


def is_sealed(text: str) -> bool:
    """Whether a text can be base64, base64url or an opaque token: no blank, no letter outside ASCII."""
    return text.isascii() and not text.encode().translate(None, _SEALED)


def is_id(text: str) -> bool:
    """Whether a text has the shape of an identifier that a provider makes: a known prefix, a UUID, or very short."""
    return _ID.fullmatch(text) is not None


def is_model(text: str) -> bool:
    """Whether a text has the shape of a model's name: short words with separators between."""
    return _MODEL.fullmatch(text) is not None


def is_media(text: str) -> bool:
    """Whether a text has the shape of a media type."""
    return _MEDIA.fullmatch(text) is not None


def is_data_url(text: str) -> bool:
    """Whether a text is a `data:` URL with base64 in it, of a type that is not text."""
    head, comma, data = text.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64") or len(head) > 128:
        return False
    return is_media(head[5:-7].partition(";")[0]) and not head.startswith("data:text/") and is_sealed(data)


def digest(*texts: str) -> str:
    """Give a name for a conversation that does not hold what it is made of: 32 hex digits of a SHA-256."""
    sha = hashlib.sha256()
    for text in texts:
        sha.update(text.encode())
        sha.update(b"\xff")  # in no UTF-8: texts can't run into each other
    return sha.hexdigest()[:32]


def answered(answer: str) -> str:
    """Give the name of the conversation that goes on from a stored answer; `answer` is the provider's id for it."""
    return digest("response", answer)


Slot = tuple[Any, Any, bool]
"""Where a segment's text stands in a tree: the container, the key, and whether the text is the key itself."""


class JsonBody:
    """A decoded body: its document, and the places in its tree where each segment's text stands."""

    def __init__(self, document: Document, tree: Any, slots: list[Slot]) -> None:
        """Join a document with its tree; `slots` stand beside the segments."""
        self.document = document
        self._tree = tree
        self._slots = slots

    def into(self, gather: Gatherer, path: tuple[str | int, ...]) -> None:
        """Hand over what was gathered to the body that this one is a part of, at `path`."""
        gather.segments += (
            msgspec.structs.replace(segment, path=(*path, *segment.path)) for segment in self.document.segments
        )
        gather.slots += self._slots

    def encode(self, texts: Mapping[int, str]) -> bytes:
        """Give the body's bytes with the texts of these segments (by index) replaced; the body stays as it is.

        Raises: `ValueError` for a new text of an opaque segment: a mistake in the program.
        """
        return encode(self._tree, self.document.segments, self._slots, texts)


def encode(tree: Any, segments: Sequence[Segment], slots: Sequence[Slot], texts: Mapping[int, str]) -> bytes:
    """Give a tree's bytes with the texts of these segments (by index) replaced; the tree stays as it is.

    Raises: `ValueError` for a new text of an opaque segment: a mistake in the program.
    """
    if not texts:
        return write(tree)
    kept: list[tuple[Any, Any, Any]] = []
    renamed: dict[int, tuple[dict[str, Any], dict[str, str]]] = {}
    try:
        for index, text in texts.items():
            holder, key, is_key = slots[index]
            if segments[index].opaque:
                raise ValueError(f"segment {index} is opaque and can't be replaced")
            if is_key:
                renamed.setdefault(id(holder), (holder, {}))[1][key] = text
            else:
                kept.append((holder, key, holder[key]))
                holder[key] = text
        with_old_names = [(holder, dict(holder)) for holder, _ in renamed.values()]
        try:
            for holder, names in renamed.values():
                _rename(holder, names)
            return write(tree)
        finally:
            for holder, old in with_old_names:
                holder.clear()
                holder.update(old)
    finally:
        for holder, key, old_text in reversed(kept):
            holder[key] = old_text


def _rename(holder: dict[str, Any], names: Mapping[str, str]) -> None:
    """Give members new names in place; two that would get one name are told apart by a number."""
    members = list(holder.items())
    holder.clear()
    taken = {key for key, _ in members if key not in names}
    for key, value in members:
        name = key
        if key in names:
            name, count = names[key], 1
            while name in taken:
                count += 1
                name = f"{names[key]}_{count}"
            taken.add(name)
        holder[name] = value


class Gatherer:
    """Collects the segments of a tree, and where each stands in it, in the order in which it is asked to look."""

    def __init__(self, names: frozenset[str], values: frozenset[str]) -> None:
        """Know the provider's own words: member `names`, and `values` that stand where a type or mode is said."""
        self._names = names
        self._values = values
        self.segments: list[Segment] = []
        self.slots: list[tuple[Any, Any, bool]] = []

    def text(self, holder: Any, key: Any, path: tuple[str | int, ...], voice: Voice, *, opaque: bool = False) -> None:
        """Make `holder[key]`, which is a string, a segment; `path` leads to it."""
        role, kind, origin, turn, tool = voice
        self.segments.append(
            Segment(
                text=holder[key],
                path=path,
                role=role,
                kind=kind,
                origin=origin,
                turn=turn,
                opaque=opaque,
                key=key if type(key) is str else _nearest(path),
                tool=tool,
            )
        )
        self.slots.append((holder, key, False))

    def tree(self, holder: Any, key: Any, path: tuple[str | int, ...], voice: Voice) -> None:
        """Make every string in `holder[key]` a segment, and every name of a member that is not a known word.

        Raises: `ClientFault` past the nesting limit.
        """
        value = holder[key]
        kind = type(value)
        if kind is str:
            if voice.kind == "tool_args" or value not in self._values:
                self.text(holder, key, path, voice)
        elif kind is dict:
            self.members(value, path, voice)
        elif kind is list:
            check_nesting(path)
            for index in range(len(value)):
                self.tree(value, index, (*path, index), voice)
        elif kind is int or kind is msgspec.Raw:
            self._number(holder, key, path, voice)

    def members(
        self,
        holder: dict[str, Any],
        path: tuple[str | int, ...],
        voice: Voice,
        done: frozenset[str] | set[str] = frozenset(),
    ) -> None:
        """Do so for every member of an object but those that were `done`. Raises: `ClientFault`."""
        if len(path) >= NESTING:
            raise _too_deep()
        names, values, speech = self._names, self._values, voice.kind == "tool_args"
        for name, value in holder.items():
            if name in done:
                continue
            if name not in names:
                self.name(holder, name, path, voice)
            # The commonest members are decided here: a tree's walk is mostly these lines.
            kind = type(value)
            if kind is str:
                if speech or value not in values:
                    self.text(holder, name, (*path, name), voice)
            elif kind is not bool and value is not None:
                self.tree(holder, name, (*path, name), voice)

    def name(self, holder: dict[str, Any], name: str, path: tuple[str | int, ...], voice: Voice) -> None:
        """Make a member's name a segment, unless it is a known word."""
        if name in self._names:
            return
        role, kind, origin, turn, tool = voice
        self.segments.append(
            Segment(text=name, path=(*path, name), role=role, kind=kind, origin=origin, turn=turn, key="", tool=tool)
        )
        self.slots.append((holder, name, True))

    def _number(self, holder: Any, key: Any, path: tuple[str | int, ...], voice: Voice) -> None:
        """Make a long number a segment; it stays a number unless its text is replaced.

        Not under a known name: a schema's `maximum` of 2^53 is nobody's card number.
        """
        value = holder[key]
        if type(value) is msgspec.Raw:
            written = bytes(value).decode()
            if not _LONG_RAW.search(written):
                return
        elif -LONG_NUMBER < value < LONG_NUMBER:
            return
        else:
            written = str(value)
        if voice.kind != "tool_args" and _nearest(path) in self._names:
            return
        self.text({key: written}, key, path, voice)
        self.slots[-1] = (holder, key, False)

    def body(self, tree: Any, document: Document) -> JsonBody:
        """Give the decoded body with what was gathered; `document` has all but its segments."""
        return JsonBody(msgspec.structs.replace(document, segments=tuple(self.segments)), tree, self.slots)


def _nearest(path: Iterable[str | int]) -> str:
    """Give the nearest object key on a path."""
    return next((step for step in reversed(tuple(path)) if type(step) is str), "")
