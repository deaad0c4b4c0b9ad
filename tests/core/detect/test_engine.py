"""The engine: exact spans and values, in every encoding, with either first stage, in linear time."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poundlock.adapters.rulefiles import load_rules
from poundlock.core.detect.engine import Detector
from poundlock.core.detect.sources import Keywords
from poundlock.core.detect.templates import example, expand

if TYPE_CHECKING:
    from poundlock.core.detect.compilation import Compiled

AWS = expand("AKIA{A-Z2-7:16}", "t")
GITHUB = expand("{=github:ghp_}", "t")
TOKEN = expand("{A-Za-z0-9:31}7", "t")


def found(detector: Detector, text: str, **options: object) -> list[tuple[str, str]]:
    """Kinds and the text at each span."""
    return [(m.kind, text[m.start : m.end]) for m in detector.detect(text, **options)]  # type: ignore[arg-type]


def test_offsets_are_code_points(detector: Detector) -> None:
    """Characters of two, three and four bytes, and a lone surrogate, before a value do not move its span."""
    text = f"é漢🙂\ud800 {AWS} and ü {GITHUB}"
    assert found(detector, text) == [("secret.aws.access-key", AWS), ("secret.github.token", GITHUB)]


def test_nothing_in_nothing(detector: Detector) -> None:
    """The empty text and plain prose have no findings."""
    assert detector.detect("") == ()
    assert detector.detect("Please refactor the token parser; the password field is in form.py.") == ()


def test_families_narrow(detector: Detector) -> None:
    """Only what was asked for is looked for."""
    text = f"{AWS} jane.roe@corpmail.de"
    assert found(detector, text, families=frozenset({"pii"})) == [("pii.email", "jane.roe@corpmail.de")]
    assert found(detector, text, families=frozenset({"secret"})) == [("secret.aws.access-key", AWS)]


def test_a_key_speaks_for_the_text(detector: Detector) -> None:
    """A text that stands under a telling name in a body is read as its value; alone it says nothing."""
    value = expand("{A-Za-z0-9:10}!7", "k")
    assert found(detector, value) == []
    assert found(detector, value, key="password") == [("secret.generic.password", value)]
    assert found(detector, value, key="description") == []


def test_a_specific_rule_beats_the_name(detector: Detector) -> None:
    """A value of a known shape under a telling name is one finding, of the shape's kind."""
    assert found(detector, f'password = "{GITHUB}"') == [("secret.github.token", GITHUB)]


def test_a_failed_checksum_lowers_confidence(detector: Detector) -> None:
    """A GitHub token with a wrong CRC stays a finding, with less confidence than a right one."""
    wrong = GITHUB[:-1] + ("a" if GITHUB[-1] != "a" else "b")
    right, off = detector.detect(GITHUB)[0].confidence, detector.detect(wrong)[0].confidence
    assert right > 0.95 > off > 0.5


def test_a_pair_raises_each_others_confidence(detector: Detector) -> None:
    """An id and its secret close together are surer than each alone; the lone half stays a finding."""
    secret = expand("{A-Za-z0-9/+:38}aZ", "p")
    lone = detector.detect(f"id = {AWS}")
    both = detector.detect(f"{AWS},{secret}")
    assert [m.kind for m in both] == ["secret.aws.access-key", "secret.aws.secret-key"]
    assert both[1].value == secret
    assert both[0].confidence > lone[0].confidence > 0.9
    far = detector.detect(f"{AWS}\n" + "a line of text\n" * 40 + f"aws_secret_access_key={secret}")
    assert far[0].confidence == lone[0].confidence
    assert len(far) == 2


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_base64_in_base64(detector: Detector, depth: int) -> None:
    """A value in nested base64 is found down to depth three, with its plain value and a span within the blob."""
    blob = f"the api_key is '{TOKEN}' ok"
    for _ in range(depth):
        blob = base64.b64encode(blob.encode()).decode()
    text = f"data: {blob} end"
    matches = [m for m in detector.detect(text) if m.value == TOKEN]
    assert len(matches) == 1
    assert 6 <= matches[0].start < matches[0].end <= 6 + len(blob)


def test_base64_spans_are_whole_quads(detector: Detector) -> None:
    """The span of a decoded finding decodes to the value and at most two characters more a side."""
    blob = base64.b64encode(f"x token: {GITHUB} y".encode()).decode()
    (match,) = detector.detect(blob)
    inner = base64.b64decode(blob[match.start : match.end]).decode()
    assert GITHUB in inner
    assert len(inner) <= len(GITHUB) + 4


ENCODED = {
    "hex": lambda t: t.encode().hex(),
    "percent": lambda t: "".join(f"%{b:02X}" for b in t.encode()),
    "unicode escapes": lambda t: "".join(f"\\u{ord(c):04x}" for c in t),
    "hex escapes": lambda t: "".join(f"\\x{b:02x}" for b in t.encode()),
    "base64 of UTF-16": lambda t: base64.b64encode(t.encode("utf-16-le")).decode(),
    "gzip in base64": lambda t: base64.b64encode(gzip.compress(t.encode(), mtime=0)).decode(),
    "JSON in JSON": lambda t: json.dumps(json.dumps({"a": json.dumps({"b": t})})),
    "array of bytes": lambda t: ", ".join(f"0x{b:02x}" for b in t.encode()),
}


@pytest.mark.parametrize("name", sorted(ENCODED))
def test_an_encoding_hides_nothing(detector: Detector, name: str) -> None:
    """An assignment in each encoding is found, and the value is given plain."""
    text = ENCODED[name](f'api_key = "{TOKEN}"')
    assert TOKEN in {m.value for m in detector.detect(text)}


@pytest.mark.parametrize(
    "text",
    ['x = "{0}" + "{1}"', "x = '{0}' . '{1}'", 'k = ("{0}"\n     "{1}")', "t={0}\\\n{1}"],
    ids=["plus", "dot", "adjacent", "continued"],
)
def test_joined_strings_are_one_value(detector: Detector, text: str) -> None:
    """A token that code puts together of two strings is found, and its span covers both."""
    joined = text.format(GITHUB[:15], GITHUB[15:])
    (match,) = detector.detect(joined)
    assert match.value == GITHUB
    assert joined[match.start : match.end].startswith(GITHUB[:15])
    assert joined[match.start : match.end].endswith(GITHUB[15:])


def test_a_private_key_is_one_value(detector: Detector) -> None:
    """The whole block is the value: with line breaks, with escaped ones, and cut off."""
    body = expand("{A-Za-z0-9+/:64}", "a"), expand("{A-Za-z0-9+/:40}", "b")
    for block in (
        f"-----BEGIN RSA PRIVATE KEY-----\n{body[0]}\n{body[1]}\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\\n{body[0]}\\n{body[1]}\\n-----END PRIVATE KEY-----",
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{body[0]}\n{body[1]}",
    ):
        text = f"see:\n{block}\n"
        (match,) = detector.detect(text)
        assert (match.kind, match.tier, match.value) == ("secret.private-key.pem", "restricted", block)
        assert text[match.start : match.end] == block


def test_matches_never_overlap_and_are_sorted(detector: Detector) -> None:
    """However dense the text, spans are in order and apart."""
    text = " ".join(example(e, "o")[0] for rule in load_rules() for e in rule.examples)
    matches = detector.detect(text)
    assert len(matches) > 500
    assert all(a.end <= b.start for a, b in itertools.pairwise(matches))


def test_both_first_stages_agree(compiled: Compiled, detector: Detector) -> None:
    """Aho-Corasick finds what Hyperscan finds, on every example of every rule."""
    other = Detector(compiled, source=Keywords(compiled.triggers))
    text = "\n".join(example(e, "s")[0] for rule in load_rules() for e in rule.examples)
    lines = [text[i : i + 20_000] for i in range(0, len(text), 20_000)]
    for line in lines:
        assert other.detect(line) == detector.detect(line)


ODD = "İßé漢🙂\ud800\x00\\\"'%&=:\n-{$\u2028ﬀ٣²"
PIECES = [example(template, "h")[0] for rule in load_rules() for template in rule.examples][::7]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(ODD, max_size=6), st.text(max_size=8)), max_size=8),
    st.sampled_from(["", "password", "İ", "api_key"]),
    st.integers(0, 40),
)
def test_whatever_the_text_spans_are_within_it(detector: Detector, parts: list[str], key: str, cut: int) -> None:
    """Odd characters at the seams of values never raise, and never move a span out of the text."""
    text = "".join(parts)[cut:]
    matches = detector.detect(text, key=key)
    assert all(0 <= m.start < m.end <= len(text) for m in matches)
    assert all(a.end <= b.start for a, b in itertools.pairwise(matches))


def test_a_detection_holds_no_value_in_its_repr(detector: Detector) -> None:
    """A match never shows its value."""
    (match,) = detector.detect(f"k={GITHUB}")
    assert GITHUB not in repr(match)


HOSTILE = {
    "digits": "7" * 1_000_000,
    "dots and digits": "1." * 500_000,
    "at signs": "a@a.a" * 200_000,
    "password=": "password=" * 111_111,
    "token ": "token " * 166_666,
    "quotes": "'\"" * 500_000,
    "dashes": "-----BEGIN PRIVATE KEY-----" * 37_000,
    "akia": "AKIA" * 250_000,
    "cookies": "Cookie: a=b; c=d; " * 55_000,
    "base64 of base64": base64.b64encode(base64.b64encode(b"password: abc " * 40_000)).decode()[:1_000_000],
    "escapes": "\\u0041" * 166_666,
    "percent": "%3D" * 333_333,
    "url": "a://b:c" * 142_857,
    "assignments": "".join(f"password='x{i:07d}!'\n" for i in range(45_000)),
    "plus": "'a'+" * 250_000,
    "addresses without a value": "address=" * 25_000,
    "findings among escapes": "https://a:b1|@d \\n" * 6_000,
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_megabyte_is_linear(detector: Detector, name: str) -> None:
    """Twice as much of a hostile text costs at most about twice as much (three times, for noise), in CPU time."""
    whole = HOSTILE[name]
    detector.detect(whole[:10_000])

    def cost(text: str) -> float:
        begin = time.process_time()
        detector.detect(text)
        return time.process_time() - begin

    half = min(cost(whole[: len(whole) // 2]) for _ in range(2))
    full = min(cost(whole) for _ in range(2))
    assert full < 3 * half + 0.05
