"""The documents: links, reference, settings, promises, snippets, the picture; and what must not stand in them."""

import ast
import hashlib
import json
import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from scripts import picture, reference

from poundlock import config
from poundlock.adapters import policyfiles, rulefiles
from poundlock.cli import main as cli
from poundlock.core.policy import cases, decide
from tests.docs.pages import PAGES, ROOT, anchors, blocks, links, name, prose

HOSTS = frozenset(
    {
        "127.0.0.1:11434",
        "127.0.0.1:8787",
        "api.anthropic.com",
        "api.openai.com",
        "bedrock-runtime.eu-central-1.amazonaws.com",
        "bedrock-runtime.us-east-1.amazonaws.com",
        "europe-west4-aiplatform.googleapis.com",
        "name.openai.azure.com",
        "NAME.openai.azure.com",
        "keepachangelog.com",
        "semver.org",
        "token.actions.githubusercontent.com",
        "www.cedarpolicy.com",
    }
)
"""Hosts that pages written by hand may name, besides `example.com`."""
PLACES = re.compile(
    r"/(?:etc/poundlock|mnt/audit|home/ada|tmp/poundlock-demo|dev/urandom|p/|t/|v1|healthz|drop|oauth/|leases|x/)"
)
WRITTEN = [page for page in PAGES if "reference" not in page.parts]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_resolve(page):
    """Each link leads to a file of this checkout, and to a heading in it."""
    for link in links(page.read_text()):
        if link.startswith(("https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text()), link


def test_no_page_is_lost():
    """Each page can be reached from the README."""
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        reached.add(page)
        found = [
            (page.parent / link.partition("#")[0]).resolve() for link in links(page.read_text()) if "://" not in link
        ]
        ahead += [path for path in found if path.suffix == ".md" and path not in reached]
    assert set(PAGES) <= reached


def test_the_reference_is_up_to_date(capsys):
    """`./x docs` would change nothing."""
    assert reference.main(["--check"]) == 0, capsys.readouterr().out


def test_a_stale_reference_is_seen(monkeypatch, tmp_path, capsys):
    """A page that differs, and one that is missing, are named."""
    monkeypatch.setattr(reference, "FOLDER", tmp_path)
    monkeypatch.setattr(reference, "PAGES", {"settings.md": reference.settings, "routes.md": reference.routes})
    assert reference.main([]) == 0
    (tmp_path / "settings.md").write_text("old")
    (tmp_path / "routes.md").unlink()
    capsys.readouterr()
    assert reference.main(["--check"]) == 1
    assert capsys.readouterr().out == (
        "out of date: docs/reference/settings.md\nout of date: docs/reference/routes.md\nType: ./x docs\n"
    )


def test_every_setting_and_command_is_documented():
    """Each setting has a sentence and a line in the reference; each command has a heading."""
    settings = (ROOT / "docs/reference/settings.md").read_text()
    for setting, _, _, description in config.describe():
        assert description.endswith((".", ".)")), setting
        assert f"| `{setting.rpartition('.')[2]}` |" in settings
        assert description.replace("|", "\\|") in settings
    commands = (ROOT / "docs/reference/commands.md").read_text()
    for command in cli.COMMANDS:
        assert f"\n## `poundlock {command}`\n" in commands


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_and_settings_that_pages_name_exist(page):
    """`poundlock NAME` is a command, and its options are its own."""
    parsers = reference._subparsers(cli.parser())
    for said in re.findall(r"poundlock ((?:[a-z-]+ ?)+[^`\n|$]*)", page.read_text()):
        command, *rest = said.split()
        if command.startswith("--"):
            continue
        if command not in parsers:
            assert not re.search(rf"(?:`|\$ )poundlock {command}\b", page.read_text()), said
            continue
        options = [word.split("=")[0] for word in " ".join(rest).split(" -- ")[0].split() if word.startswith("--")]
        known = parsers[command].format_help() + "".join(
            inner.format_help() for inner in reference._subparsers(parsers[command]).values()
        )
        for option in options:
            if command != "run" and option != "--":
                assert option.rstrip(".,:)") in known, said


def test_each_promise_names_tests_that_exist():
    """The threat model has all twelve promises, each with tests, and each test is there."""
    text = (ROOT / "docs/threat-model.md").read_text()
    rows = re.findall(r"^\| (\d+)\. [^|]+\|[^|]+\|([^|]+)\|$", text, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 13))
    for number, tests in rows:
        named = re.findall(r"`(tests/[^`]+)`", tests)
        assert named, number
        for test in named:
            path, _, function = test.partition("::")
            assert (ROOT / path).is_file(), test
            if function:
                assert re.search(rf"^(?:async )?def {function}\(", (ROOT / path).read_text(), re.MULTILINE), test


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_files_that_pages_name_exist(page):
    """A path of the checkout in inline code leads somewhere."""
    for path in re.findall(r"`((?:tests|docs|src|scripts|bench)/[\w./-]+)`", prose(page.read_text())):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"tests/[\w./-]+\w", " ".join(block.not_run for block in blocks(page.read_text()))):
        assert (ROOT / path).exists(), path


def test_decisions_are_numbered_and_listed():
    """The decisions count from 1 without gaps, and the index has them all."""
    files = sorted((ROOT / "docs/adr").glob("0*.md"))
    assert [int(path.name[:4]) for path in files] == list(range(1, len(files) + 1))
    assert links((ROOT / "docs/adr/README.md").read_text()) == [path.name for path in files]
    for path in files:
        text = path.read_text()
        assert text.startswith(f"# {path.name[:4]}: ")
        assert all(f"**{word}.**" in text for word in ("Decided", "Why", "Costs"))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_snippets_parse(page):
    """JSON, TOML and Python in the pages is JSON, TOML and Python."""
    readers = {"json": json.loads, "toml": tomllib.loads, "python": ast.parse}
    for block in blocks(page.read_text()):
        if block.kind in readers:
            readers[block.kind](block.text)


def test_settings_in_the_pages_are_settings():
    """Each TOML snippet of the how-to pages that is no rule and no case is a valid configuration."""
    count = 0
    for page in (ROOT / "docs/how-to").glob("*.md"):
        for block in blocks(page.read_text()):
            if block.kind == "toml" and not block.text.startswith("[["):
                config.load(block.text, source=name(page))
                count += 1
    assert count >= 4


def test_the_rule_in_the_pages_works(tmp_path):
    """The rule loads beside the shipped ones and finds its own examples, to the character."""
    page = (ROOT / "docs/how-to/rules-and-policies.md").read_text()
    (rule,) = (block.text for block in blocks(page) if block.text.startswith("[[rule]]"))
    (tmp_path / "acme.toml").write_text(rule)
    detector = rulefiles.load_detector([tmp_path / "acme.toml"], cache=tmp_path)
    value = "acme_bt_" + hashlib.sha256(b"made up").hexdigest()[:32]
    found = detector.detect(f"ACME_BADGE={value}")
    assert [(match.rule_id, match.start, match.end) for match in found] == [("secret.acme.badge", 11, 51)]
    assert detector.detect("acme_bt_ is the prefix of a badge") == ()


def test_the_policy_in_the_pages_works():
    """The policy compiles beside the default pack, and its own case holds; without the policy it does not."""
    page = (ROOT / "docs/how-to/rules-and-policies.md").read_text()
    (policy,) = (block.text for block in blocks(page) if block.kind == "cedar")
    (case,) = cases.read(next(block.text for block in blocks(page) if block.text.startswith("[[case]]")), source="page")
    with_it = decide.Policies.compile({**policyfiles.sources(), "acme.cedar": policy}, policyfiles.schema())
    assert cases.run(with_it, case, source="page").differences == ()
    assert cases.run(policyfiles.load(), case, source="page").differences


def test_the_picture():
    """It is small, loads nothing, and is a picture of a demo that held."""
    path = ROOT / "docs/demo.svg"
    assert path.stat().st_size < 60_000
    tree = ET.parse(path)  # noqa: S314 (our own file)
    text = path.read_text()
    assert "everything" in text
    assert not re.search(r"(?:href|src|url\(|@import)\W{0,3}https?:", text)
    assert tree.getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_elided_values_are_no_credentials():
    """Of a credential the picture shows seven characters at the most."""
    assert picture.elided("AKIA" + "B" * 16) == "AKIA…BBB"


@pytest.mark.parametrize("path", [*PAGES, ROOT / "docs/demo.svg", ROOT / "constraints.txt"], ids=name)
def test_nothing_looks_like_a_live_credential(path):
    """Poundlock itself finds no credential in the documents."""
    text = re.sub(r"&#160;", " ", path.read_text())
    found = rulefiles.load_detector().detect(text, families=frozenset({"secret"}))
    assert [(match.rule_id, text.count("\n", 0, match.start) + 1) for match in found] == []


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_only_known_hosts_and_places(page):
    """No page names a host, a registry or a path of somebody's machine."""
    text = page.read_text()
    for host in re.findall(r"https?://([^/\s`\"')]+)", text):
        assert host in HOSTS or host.endswith("example.com"), host
    for path in re.findall(r"(?<![\w.~>/<*}…`-])/[a-z][\w.-]*(?:/[\w.-]+)*", re.sub(r"https?://\S+", "", text)):
        assert PLACES.match(path), path


def test_constraints_pin_what_is_needed():
    """Each line is a version and nothing else; each dependency that the project names is pinned."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line) for line in lines)
    pinned = {line.partition("==")[0] for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    assert {re.match(r"[\w-]+", each)[0].lower() for each in wanted} <= pinned


def test_the_hook_for_pre_commit_is_a_command():
    """One entry reads the index and takes no files, the other takes files."""
    text = (ROOT / ".pre-commit-hooks.yaml").read_text()
    assert "\n  entry: poundlock scan\n" in text
    assert "\n  entry: poundlock scan --staged\n  language: python\n  pass_filenames: false\n" in text
    assert cli.parser(("scan",)).parse_args(["scan", "a.txt", "b.txt"]).paths == ["a.txt", "b.txt"]


def test_the_license_is_there():
    """Apache-2.0, as the project's metadata says."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0"
    assert "Apache License" in Path(ROOT / "LICENSE").read_text()
