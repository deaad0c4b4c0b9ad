"""Tables are read by their header: CSV and its kin, Markdown, SQL, HL7; code is never taken for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from poundlock.core.detect.engine import Detector

PII = frozenset({"pii"})


def found(detector: Detector, text: str) -> list[tuple[str, str]]:
    """Give kinds, without the family, and the text of the spans."""
    return [(match.kind[4:], text[match.start : match.end]) for match in detector.detect(text, families=PII)]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_cells_mean_what_their_column_says(detector: Detector, mark: str) -> None:
    """Names and numbers without any other sign are found in each row, whatever separates them."""
    rows = [
        ["id", "first_name", "passport_no", "ok"],
        ["1", "Maribel", "C84736251", "y"],
        ["2", "Tarek", "K7736251", "n"],
    ]
    text = "\n".join(mark.join(row) for row in rows) + "\n"
    assert found(detector, text) == [
        ("person", "Maribel"),
        ("passport", "C84736251"),
        ("person", "Tarek"),
        ("passport", "K7736251"),
    ]


def test_a_quoted_cell_is_one_cell(detector: Detector) -> None:
    """A separator within quotes separates nothing, and the quotes are no part of the value."""
    assert found(detector, 'id,surname,x\n1,"Halloran, Bram",2\n') == [("person", "Halloran, Bram")]


def test_a_table_ends_where_its_rows_do(detector: Detector) -> None:
    """What follows a table is not read as its rows."""
    assert found(detector, "id,dob,x\n1,1962-03-18,a\n\n2,1962-03-19,b\n") == [("date_of_birth", "1962-03-18")]


def test_sql_rows_follow_their_column_list(detector: Detector) -> None:
    """Each tuple of an INSERT is read by the names before it."""
    text = "INSERT INTO t (id, full_name, pesel) VALUES\n (1, 'Marek Dvorak', '44051401458'),\n (2, 'Ola Nowak', 'x');"
    assert found(detector, text) == [
        ("person", "Marek Dvorak"),
        ("national_id", "44051401458"),
        ("person", "Ola Nowak"),
    ]


def test_hl7_fields_are_known_by_their_place(detector: Detector) -> None:
    """A PID segment gives the patient's number, name, day of birth and address."""
    text = "MSH|x\rPID|1||83726451^^^H^MR||VEST^GUDRUN||19620318|F|||12 ELM WAY^^LEEDS\rOBX|1|19620318"
    assert found(detector, text) == [
        ("health_id", "83726451"),
        ("person", "VEST^GUDRUN"),
        ("date_of_birth", "19620318"),
        ("address", "12 ELM WAY^^LEEDS"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "def f(first_name, last_name, phone):\n    return g(Maribel, Tarek, x)\n",
        "import name, phone, address\nfrom Foo import Bar, Baz\n",
        "first_name, last_name = parse(row)\nA, B = C\n",
    ],
)
def test_code_is_no_table(detector: Detector, text: str) -> None:
    """Parameters, imports and assignments hold separators and names too."""
    assert found(detector, text) == []


@pytest.mark.parametrize(
    ("table", "value"),
    [
        ("id\tpassword\n1\t{v}\n", "Pirate#2004"),
        ("# users\n| user | password |\n|---|---|\n| joe | {v} |\n", "Lantern#6509"),
        ("user;pass\njoe;{v}\nend\n", "Cobalt#5180"),
        ("email,api_token,role\na@b.io,{v},x\n", "djPVjUNWewihMiv7KDWsTOkRM"),
        ("INSERT INTO users (name, password) VALUES ('joe', '{v}')", "Tiger_2019_x"),
    ],
)
def test_a_column_of_secrets(detector: Detector, table: str, value: str) -> None:
    """What stands under a name that promises a secret is one, with exactly its cell as the span."""
    found = detector.detect(table.replace("{v}", value), families=frozenset({"secret"}))
    assert [match.value for match in found] == [value]


def test_a_column_of_words_is_no_secret(detector: Detector) -> None:
    """Tables of words, as of a parser or of settings, stay quiet."""
    assert detector.detect("token,pos,lemma\nruns,VERB,run\nfast,ADV,fast\n") == ()


@pytest.mark.parametrize("mark", [",", "\t", ";"])
def test_one_column_names_another(detector: Detector, mark: str) -> None:
    """A value counts under the name beside it in its row, and other rows of the same columns do not."""
    value = "".join(chr(97 + (7 * place) % 26) + str(place % 10) for place in range(16))
    rows = [("service", "name", "value"), ("crm", "deploy_token", value), ("crm", "region", value[::-1])]
    text = "".join(mark.join(row) + "\n" for row in rows)
    found = detector.detect(text, families=frozenset({"secret"}))
    assert [(match.start, match.end) for match in found] == [(text.index(value), text.index(value) + len(value))]
