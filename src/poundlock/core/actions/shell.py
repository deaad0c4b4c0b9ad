"""A shell's command line, read as a shell reads it: commands, words, redirections, here-documents, substitutions.

The grammar is tree-sitter's for bash; this module flattens its tree into the commands that would run. What has no
plain meaning (an expansion in a program's name, a piece that does not parse) makes the script unreadable, and who asks
must then expect anything. It must never run or expand anything, and never call a script readable that it did not
read to its end.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tree_sitter import Node, Parser

LONGEST = 65_536
"""A longer command line is not read (and so unreadable)."""
DEEPEST = 64
"""How deep commands may stand in one another."""

_EXPANSION = "\0"
"""What stands in a word for something that only the shell knows."""

_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED_IN_QUOTES = re.compile(r"\\([$`\"\\\n])")
_CONTINUED = re.compile(r"\\\r?\n")
_ANSI = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3})|(.))", re.DOTALL)
_ANSI_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "v": "\v"}
_BRACES = re.compile(r"\{[^{}\s]*(?:,|\.\.)[^{}\s]*\}")


def table(words: str) -> frozenset[str]:
    """Give the words of a table."""
    return frozenset(words.split())


# Nodes that hold commands and mean nothing more by themselves.
_STRUCTURES = table("""
    program list pipeline subshell compound_statement if_statement elif_clause else_clause while_statement do_group
    for_statement c_style_for_statement case_statement case_item negated_command redirected_statement
    command_substitution process_substitution function_definition
    """)
# Nodes in which only substitutions can run something.
_INERT = table("""
    test_command unary_expression binary_expression parenthesized_expression declaration_command unset_command
    variable_assignment variable_assignments comment variable_name word string raw_string string_content number
    concatenation simple_expansion expansion arithmetic_expansion array subscript ternary_expression
    postfix_expression extglob_pattern regex test_operator special_variable_name ansi_c_string translated_string
    brace_expression heredoc_body heredoc_start heredoc_end heredoc_content file_descriptor
    """)


class Word(NamedTuple):
    """One word without its quoting; `literal` when nothing in it is left for the shell to fill in."""

    text: str
    literal: bool


class Redirection(NamedTuple):
    """`> file`, `< file`, `2>> file`: the operator and what it names."""

    operator: str
    target: Word


class Command(NamedTuple):
    """One simple command. `given` is what a here-document or here-string puts on its standard input."""

    words: tuple[Word, ...]
    assignments: tuple[Word, ...] = ()
    redirections: tuple[Redirection, ...] = ()
    given: Word | None = None
    piped: bool = False


class Script(NamedTuple):
    """What a command line would run, in its order; not `readable` when some of it could not be read."""

    commands: tuple[Command, ...]
    readable: bool


@functools.cache
def _parser() -> Parser:
    # Imported here: only a gate that meets a command pays for the grammar.
    import tree_sitter_bash  # noqa: PLC0415
    from tree_sitter import Language, Parser  # noqa: PLC0415

    return Parser(Language(tree_sitter_bash.language()))


def parse(text: str) -> Script:
    """Read a command line. Linear in its length; whatever it holds, it never raises."""
    if len(text) > LONGEST or "\0" in text:
        return Script((), readable=False)
    raw = _CONTINUED.sub("", text).encode("utf-8", "replace")
    reader = _Reader()
    reader.read(_parser().parse(raw).root_node, piped=False, depth=0)
    return Script(tuple(reader.commands), reader.readable)


class _Reader:
    """Flattens one tree."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.readable = True
        self._functions: set[str] = set()

    def read(self, node: Node, *, piped: bool, depth: int) -> None:
        """Take all commands in a node, those in substitutions too."""
        if depth > DEEPEST:
            self.readable = False
            return
        kind = node.type
        if node.is_error or node.is_missing:
            self.readable = False
        if kind == "command":
            self._command(node, (), None, piped=piped, depth=depth)
        elif kind == "redirected_statement":
            self._redirected(node, piped=piped, depth=depth)
        elif kind == "pipeline":
            for index, child in enumerate(node.named_children):
                self.read(child, piped=piped or index > 0, depth=depth + 1)
        elif kind in _STRUCTURES or kind in _INERT or kind == "ERROR":
            for child in node.named_children:
                self.read(child, piped=piped, depth=depth + 1)
        elif node.is_named:
            self.readable = False
            for child in node.named_children:
                self.read(child, piped=piped, depth=depth + 1)

    def _redirected(self, node: Node, *, piped: bool, depth: int) -> None:
        redirections: list[Redirection] = []
        more: list[Word] = []  # words after a redirection, which the grammar hangs under it
        given: Word | None = None
        body: Node | None = None
        for child in node.named_children:
            if child.type == "file_redirect":
                redirections.append(self._redirection(child, depth, more))
            elif child.type == "herestring_redirect":
                given = self._first_word(child, depth)
            elif child.type == "heredoc_redirect":
                given = self._heredoc(child, redirections, more, depth)
            else:
                body = child
        if body is not None and body.type == "command":
            self._command(body, tuple(redirections), given, piped=piped, depth=depth, more=more)
            return
        first = len(self.commands)
        if body is not None:
            self.read(body, piped=piped, depth=depth + 1)
            if body.type in {"pipeline", "list"}:
                first = max(first, len(self.commands) - 1)  # a redirection at a pipeline's end is its last command's
        if len(self.commands) == first:
            self.commands.append(Command((), piped=piped))
        # Those of a group are of each command in it, as far as anyone outside can tell.
        self.commands[first:] = [
            each._replace(
                words=(*each.words, *more), redirections=(*each.redirections, *redirections), given=each.given or given
            )
            for each in self.commands[first:]
        ]

    def _heredoc(self, node: Node, redirections: list[Redirection], more: list[Word], depth: int) -> Word:
        """Read a here-document; the rest of its line (redirections, a pipeline) hangs under it in the tree."""
        given = Word("", literal=True)
        for child in node.named_children:
            if child.type == "file_redirect":
                redirections.append(self._redirection(child, depth, more))
            elif child.type == "heredoc_body":
                inner = [part for part in child.named_children if part.type != "heredoc_content"]
                given = Word(_text(child), literal=not inner)
                for part in inner:
                    self.read(part, piped=False, depth=depth + 1)
            elif child.type not in {"heredoc_start", "heredoc_end", "file_descriptor"}:
                self.read(child, piped=child.type == "pipeline" or _starts_with_pipe(child), depth=depth + 1)
        return given

    def _redirection(self, node: Node, depth: int, more: list[Word]) -> Redirection:
        operator = "".join(_text(child) for child in node.children if not child.is_named)
        target, *rest = [child for child in node.named_children if child.type != "file_descriptor"] or [node]
        more += [self._word(each, depth) for each in rest]
        return Redirection(operator, Word("", literal=False) if target is node else self._word(target, depth))

    def _first_word(self, node: Node, depth: int) -> Word:
        words = [child for child in node.named_children if child.type != "file_descriptor"]
        if len(words) != 1:
            self.readable = False
        return self._word(words[0], depth) if words else Word("", literal=False)

    def _command(
        self,
        node: Node,
        redirections: tuple[Redirection, ...],
        given: Word | None,
        *,
        piped: bool,
        depth: int,
        more: Sequence[Word] = (),
    ) -> None:
        words: list[Word] = []
        assignments: list[Word] = []
        after: list[Word] = [*more]
        own = list(redirections)
        for child in node.named_children:
            if child.type == "variable_assignment":
                assignments.append(Word(_text(child), literal=True))
                self.read(child, piped=False, depth=depth + 1)
            elif child.type == "file_redirect":
                own.append(self._redirection(child, depth, after))
            elif child.type == "herestring_redirect":
                given = self._first_word(child, depth)
            elif child.type == "command_name":
                inner = child.named_children
                words.append(self._word(inner[0], depth) if inner else Word(_text(child), literal=True))
            else:
                words.append(self._word(child, depth))
            if child.is_error or child.is_missing:
                self.readable = False
        words += after
        if any("`" in word.text for word in words):
            self.readable = False  # the grammar takes two substitutions in backticks for one
        if words and not words[0].literal:
            self.readable = False
        self.commands.append(Command(tuple(words), tuple(assignments), tuple(own), given, piped))

    def _word(self, node: Node, depth: int) -> Word:
        """Take one word: its text as the command would get it, with a mark for what only the shell knows."""
        parts = list(self._pieces(node, depth))
        text = "".join(part.text for part in parts)
        return Word(text, literal=all(part.literal for part in parts))

    def _pieces(self, node: Node, depth: int) -> Iterator[Word]:
        kind = node.type
        text = _text(node)
        if depth > DEEPEST:
            self.readable = False
        elif kind == "concatenation":
            for child in node.children:
                yield from self._pieces(child, depth + 1)
            if _BRACES.search(text):
                yield Word("", literal=False)
        elif kind == "raw_string":
            yield Word(text[1:-1], literal=True)
        elif kind == "ansi_c_string":
            yield Word(_ANSI.sub(_ansi, text[2:-1]), literal=True)
        elif kind in {"string", "translated_string"}:
            yield from self._quoted(node, depth)
        elif kind in {"word", "number", "extglob_pattern", "regex"} or not node.is_named:
            if "\n" in text:
                self.readable = False  # the grammar takes a line that begins with a backslash for more of the last
            yield Word(_ESCAPED.sub(r"\1", text), literal=not _BRACES.search(text))
            for child in node.named_children:
                yield from self._pieces(child, depth + 1)
        else:
            self.read(node, piped=False, depth=depth + 1)
            yield Word(_EXPANSION, literal=False)

    def _quoted(self, node: Node, depth: int) -> Iterator[Word]:
        """Read a string in double quotes: its text as it stands between its expansions."""
        whole, base = node.text or b"", node.start_byte
        at = whole.find(b'"') + 1
        for child in node.named_children:
            if child.type in {"string_content", "string"}:
                continue
            begin, end = child.start_byte - base, child.end_byte - base
            yield Word(_unquoted(whole[at:begin]), literal=True)
            self.read(child, piped=False, depth=depth + 1)
            yield Word(_EXPANSION, literal=False)
            at = end
        yield Word(_unquoted(whole[at:-1]), literal=True)


def _unquoted(raw: bytes) -> str:
    return _ESCAPED_IN_QUOTES.sub(r"\1", raw.decode("utf-8", "replace"))


def _ansi(match: re.Match[str]) -> str:
    for group, base in ((1, 16), (2, 16), (3, 16), (4, 8)):
        if match[group]:
            point = int(match[group], base)
            return chr(point) if point <= 0x10FFFF else _EXPANSION
    return _ANSI_LETTERS.get(match[5], match[5])


def _starts_with_pipe(node: Node) -> bool:
    before = node.prev_sibling
    return before is not None and before.type in {"|", "|&"}


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
