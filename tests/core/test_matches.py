"""The detector's own type."""

from poundlock.core.matches import Match


def test_a_match_never_shows_its_value() -> None:
    """However it is turned into text, the value is left out, and the rest is there."""
    value = "corp_" + "a1b2" * 5
    match = Match("secret.corp.token", "secret", "secret.corp.token", "internal", 3, 28, 0.9, value)
    for text in (repr(match), str(match), f"{match}", f"{[match]}", "%s" % (match,)):  # noqa: UP031 (one of the ways)
        assert value not in text
        assert "Match(rule_id='secret.corp.token', family='secret', kind='secret.corp.token'" in text
        assert "tier='internal', start=3, end=28, confidence=0.9)" in text
