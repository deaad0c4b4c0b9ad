"""The page that people read: each cell is an answer, and a changed policy changes the page."""

from __future__ import annotations

from poundlock.core.policy import language, sheet
from tests.core.policy import shipped


def page(policies=None, **changes) -> sheet.Sheet:
    """Give the page of some policies."""
    asked = {"profile": "team", "mode": "enforce", "inside": False, **changes}
    return sheet.sheet(policies or shipped.pack(), **asked)


def row(of: sheet.Sheet, name: str) -> tuple[str, ...]:
    """Give the row that begins with a name, without it."""
    return next(cells[1:] for cells in of.rows if cells[0].startswith(name))


def test_cells_are_answers():
    """Private keys go nowhere; restricted things go inside where there is a model, else to a person."""
    assert set(row(page(), "private keys")) == {"not at all"}
    assert row(page(), "anything of a restricted")[0] == "when somebody approves it"
    assert row(page(inside=True), "anything of a restricted")[0] == "only to the model inside"
    assert row(page(), "text in which")[0] == "as it is"


def test_the_page_follows_the_policies():
    """Without the policy on credentials the page says that they leave, and it is another version."""
    looser = shipped.mutant(without=("secret.disguised", "restricted.disguised"))
    assert row(page(), "credentials")[0] == "disguised"
    assert row(page(looser), "credentials")[0] == "as it is"
    assert page().version != page(looser).version


def test_both_formats_hold_every_rule():
    """Each forbid's reason and advice stands in Markdown and, escaped, in HTML; markup of a policy does not."""
    odd = '@id("odd") @reason("No <b>.") @advice("Go.") forbid (principal, action == Action::"send", resource);'
    of = page(shipped.mutant(extra=odd))
    text, markup = sheet.markdown(of), sheet.page_of_html(of)
    for policy in shipped.pack().policies:
        if policy.effect == "forbid":
            assert f"{policy.reason} {policy.advice} (`{policy.id}`)" in text
            assert f"<code>{policy.id}</code>" in markup
    assert "No &lt;b&gt;." in markup
    assert "<b>" not in markup
    assert of.version in text
    assert of.version in markup


def test_monitor_mode_is_said():
    """A page of rules that are only watched says so."""
    assert "only watched" in sheet.markdown(page(mode="monitor"))
    assert "only watched" not in sheet.markdown(page())


HEAD = '@reason("R.") @advice("A.") forbid (principal, action == Action::"send", resource in Kind::"pii")'
SHADOWED = (
    f'@id("wide") {HEAD} when {{ resource.count > 1 }};\n'
    f'@id("narrow") {HEAD.replace("pii", "pii.email")} when {{ resource.new && resource.count > 1 }};\n'
    f'@id("other") {HEAD.replace("pii", "secret")} when {{ resource.count > 1 }};\n'
    f'@id("same") {HEAD} when {{ resource.count > 1 }};\n'
)


def test_shadowed_policies_are_found():
    """One whose kind lies in another's and whose conditions hold the other's changes nothing; neither does a copy."""
    policies, problems = language.read({"a.cedar": SHADOWED}, language.schema(shipped.SCHEMA))
    assert problems == ()
    found = language.shadowed(policies)
    assert [(problem.policy, problem.what.split()[4]) for problem in found] == [("narrow", "wide"), ("same", "wide")]
    assert language.shadowed(shipped.pack().policies) == ()


def test_the_first_file_is_not_told_of_what_joins_it():
    """A tighter policy of a team's makes one of the pack superfluous: that is no problem."""
    texts = {"a.cedar": SHADOWED.splitlines()[1], "b.cedar": SHADOWED.splitlines()[0]}
    policies, _ = language.read(texts, language.schema(shipped.SCHEMA))
    assert language.shadowed(policies) == ()
    policies, _ = language.read(dict(reversed(texts.items())), language.schema(shipped.SCHEMA))
    assert [problem.policy for problem in language.shadowed(policies)] == ["narrow"]


def test_the_statement_of_a_line():
    """A policy's text is found by the line of its first word, without the comment before it."""
    text = "// note\n\n" + SHADOWED
    assert language.statement(text, 4) == SHADOWED.splitlines()[1]
    assert language.statement(text, 2) == ""
