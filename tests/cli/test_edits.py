"""Settings made in other tools' files: what was there stays, and what can't be read is left alone."""

import json
import tomllib

import pytest

from poundlock.cli.clients import Setting, known, named, of_program, words
from poundlock.cli.edits import edited
from poundlock.core.errors import ConfigFault


def one(*path, value="URL", **more):
    """Give one setting."""
    return (Setting(path=path, value=value, **more),)


JSON = [
    pytest.param("", ("a", "b"), '{\n  "a": {\n    "b": "URL"\n  }\n}\n', id="no file"),
    pytest.param(
        '{"z": 1, "a": {"b": "old"}}', ("a", "b"), '{\n  "z": 1,\n  "a": {\n    "b": "URL"\n  }\n}', id="one line"
    ),
    pytest.param(
        '{\n    "z": [1, 2]\n}\n',
        ("b",),
        '{\n    "z": [\n        1,\n        2\n    ],\n    "b": "URL"\n}\n',
        id="four spaces",
    ),
    pytest.param('{"a": {"b":   "URL"}}', ("a", "b"), '{"a": {"b":   "URL"}}', id="nothing to do"),
]


@pytest.mark.parametrize(("text", "path", "wanted"), JSON)
def test_json(text, path, wanted):
    """Order, other settings and the width of the indent stay."""
    assert edited("json", text, one(*path)) == wanted


def test_json_only_beside_what_is_there():
    """A setting that belongs to something that isn't there is not made."""
    text = '{"providers": {"x": {"settings": {}}}}'
    settings = (
        Setting(path=("providers", "x", "settings", "baseUrl"), value="URL", there=True),
        Setting(path=("providers", "y", "settings", "baseUrl"), value="URL", there=True),
    )
    assert json.loads(edited("json", text, settings)) == {"providers": {"x": {"settings": {"baseUrl": "URL"}}}}
    assert edited("json", "", settings) == ""


@pytest.mark.parametrize("text", ["// mine\n{}", "[1]", '{"a": 3}', '{"a": [{}]}', "nonsense"])
def test_json_that_is_something_else_is_left_alone(text):
    """Comments would be lost, and a list is no object: refused, with the names of the settings."""
    with pytest.raises(ConfigFault) as caught:
        edited("json", text, one("a", "b"))
    assert "a.b" in caught.value.advice


TOML = [
    pytest.param("", ("p",), 'p = "URL"\n', id="no file"),
    pytest.param("# mine\n\n[t]\nx = 1\n", ("p",), '# mine\np = "URL"\n\n[t]\nx = 1\n', id="before the first table"),
    pytest.param('p = "old" # why\n[t]\np = 1\n', ("p",), 'p = "URL"\n[t]\np = 1\n', id="in its place"),
    pytest.param("[t]\nx = 1", ("t", "y"), '[t]\nx = 1\ny = "URL"\n', id="in its table"),
    pytest.param("a = 1\n", ("m", "n", "y"), 'a = 1\n\n[m.n]\ny = "URL"\n', id="a table of its own"),
    pytest.param("[t]\nx = 1\n\n[u]\nx = 2\n", ("t", "x"), '[t]\nx = "URL"\n\n[u]\nx = 2\n', id="only its own table"),
]


@pytest.mark.parametrize(("text", "path", "wanted"), TOML)
def test_toml(text, path, wanted):
    """Comments, order and other tables stay, and the result reads as what was wanted."""
    assert edited("toml", text, one(*path)) == wanted
    tomllib.loads(wanted)


@pytest.mark.parametrize("text", ["a = ", 'm = {n = {y = "old"}}\n', 'm.n.y = "old"\n'])
def test_toml_in_another_form_is_left_alone(text):
    """An inline table, a dotted key and what is no TOML are refused: a second definition would break the file."""
    with pytest.raises(ConfigFault):
        edited("toml", text, one("m", "n", "y"))


def test_assignments():
    """One line a variable, in its place where it is there, quoted for a shell."""
    settings = (Setting(path=("A",), value="x y"), Setting(path=("B",), value="2"))
    assert edited("env", "# c\nB=1\nC=3", settings) == "# c\nB=2\nC=3\nA=x y\n"
    assert edited("shell", "export A=1\n", settings) == "export A='x y'\nexport B=2\n"


def test_yaml():
    """Keys of the outermost mapping, and items of a list that assign."""
    settings = (Setting(path=("base",), value="U"), Setting(path=("set-env",), value=("A=1", "B=2")))
    assert edited("yaml", "", settings) == 'base: "U"\nset-env:\n  - "B=2"\n  - "A=1"\n'
    text = "# mine\nbase: old\nset-env:\n    - A=0\n    - Z=1\nx: 1"
    assert edited("yaml", text, settings) == ('# mine\nbase: "U"\nset-env:\n    - "B=2"\n    - "A=1"\n    - Z=1\nx: 1')


@pytest.mark.parametrize("text", ["- a\n- b\n", "{a: 1}\n", "set-env: [A=1]\n"])
def test_yaml_in_another_form_is_left_alone(text):
    """A list, a flow mapping and a flow list are refused."""
    with pytest.raises(ConfigFault):
        edited("yaml", text, (Setting(path=("set-env",), value=("A=1",)),))


CONTINUE = """name: mine
models:
  - name: one
    provider: anthropic
    model: m
  - provider: openai # mine
    name: two
  - name: three
    provider: mistral
"""


def test_continue():
    """Each model of a provider that is named gets its base, with the indent of its item."""
    settings = (Setting(path=("anthropic",), value="A"), Setting(path=("openai",), value="O"))
    wanted = CONTINUE.replace("provider: anthropic\n", 'provider: anthropic\n    apiBase: "A"\n')
    wanted = wanted.replace("# mine\n", '# mine\n    apiBase: "O"\n')
    assert edited("continue", CONTINUE, settings) == wanted


@pytest.mark.parametrize(
    "own", ["    apiBase: x\n    provider: anthropic\n", "    provider: anthropic\n    apiBase: x\n"]
)
def test_continue_with_a_base_of_its_own_is_left_alone(own):
    """A model that goes somewhere else already is not led astray."""
    with pytest.raises(ConfigFault):
        edited("continue", f"models:\n  - name: a\n{own}  - name: b\n", one("anthropic"))


def test_the_base_of_another_model_counts_for_that_one():
    """Two items beside each other are not taken for one."""
    text = "models:\n  - name: a\n    provider: anthropic\n  - name: b\n    provider: mistral\n    apiBase: x\n"
    assert edited("continue", text, one("anthropic")).count("apiBase") == 2


def test_the_table_of_tools_is_whole():
    """Every tool is known by its id and its programs, its words are all filled, and its page exists."""
    filler = words("http://127.0.0.1:1/t/x")
    for client in known():
        assert named(client.id) is client
        assert all(of_program(f"/usr/bin/{program}") is client for program in client.programs)
        for write in client.init:
            text = json.dumps([setting.at(filler).value for setting in write.set])
            assert "{" not in text, client.id
    assert of_program("vim") is None
    with pytest.raises(ConfigFault) as caught:
        named("vim")
    assert "claude-code" in caught.value.advice
