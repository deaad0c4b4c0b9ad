"""The company's own words, in every way that code and prose write them."""

import random

import pytest

from poundlock.adapters.rulefiles import load_detector
from poundlock.core.detect.names import Names, compile_names
from poundlock.core.errors import ConfigFault


def found(names, text, domains=(), families=None):
    """Give the texts and kinds that are found."""
    matches = Names(compile_names(names, domains)).add(text, (), families)
    return [(match.value, match.kind) for match in matches]


def values(names, text):
    """Give the texts that are found."""
    return [value for value, _ in found(names, text)]


@pytest.mark.parametrize(
    "written",
    [
        "OrderService",
        "orderService",
        "order_service",
        "ORDER_SERVICE",
        "ORDER-SERVICE",
        "order service",
        "Order.Service",
    ],
)
@pytest.mark.parametrize("name", ["Order Service", "OrderService", "order-service", "order_service"])
def test_one_name_stands_for_all_its_ways(name, written):
    """Word, case and compound variants are the same name."""
    assert values([name], f"in {written}, here") == [written]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("getOrderServiceUrl()", ["OrderService"]),
        ("HTTPOrderService", ["OrderService"]),
        ("ORDER_SERVICE_URL=1", ["ORDER_SERVICE"]),
        ("orderservice.corp", ["orderservice"]),
        ("OrderServices are", ["OrderService"]),
        ("order_service2", ["order_service"]),
        ("reorderservice", []),
        ("orderservicing", []),
        ("ORDERSERVICEX", []),
        ("border service", []),
    ],
)
def test_a_name_is_found_as_a_word_and_as_a_part_of_a_compound(text, want):
    """Not inside another word."""
    assert values(["Order Service"], text) == want


def test_short_names_are_found_as_they_are_written():
    """Three letters stand in too many places."""
    assert values(["Kip"], "Kip kip KIP Kipper") == ["Kip"]


def test_names_beyond_ascii():
    """A name of another alphabet, with offsets in code points."""
    assert values(["Müller Werk"], "é bei müller-werk") == ["müller-werk"]
    match = Names(compile_names(["Заря"])).add("проект Заря", ())[0]
    assert (match.start, match.end) == (7, 11)


def test_hosts_under_an_internal_domain():
    """Every host under it, whole; a domain that only ends alike is another one."""
    text = "db-1.eu.corp.example.com:5432 corp.example.com, notcorp.example.com corp.example.com.evil.net"
    assert found([], text, ["corp.example.com"]) == [
        ("db-1.eu.corp.example.com", "infrastructure.host"),
        ("corp.example.com", "infrastructure.host"),
    ]


def test_families_narrow():
    """Names are identifiers, hosts are infrastructure."""
    assert found(["Falcon"], "Falcon at a.b.example", ["b.example"], frozenset({"identifier"})) == [
        ("Falcon", "identifier.name")
    ]


def test_the_longest_name_counts():
    """Of two names that overlap, the longer one."""
    assert values(["Order", "Order Service"], "OrderService and Order") == ["OrderService", "Order"]


def test_names_beside_what_the_rules_found(tmp_path):
    """A rule's finding wins over a name inside it, and both kinds come in order."""
    listed = tmp_path / "names.txt"
    listed.write_text("# customers\nNorthwind\nFalcon\n")
    detector = load_detector(names=[listed], hosts=["x.example"], cache=tmp_path)
    matches = detector.detect("Falcon: mail ann.lee@northwind.eu, Northwind")
    assert [(match.kind, match.start) for match in matches] == [
        ("identifier.name", 0),
        ("pii.email", 13),
        ("identifier.name", 35),
    ]
    again = load_detector(names=[listed], hosts=["x.example"], cache=tmp_path)
    assert again.digest == detector.digest != load_detector(cache=tmp_path).digest


@pytest.mark.parametrize("name", ["x", "--", "y" * 200])
def test_a_line_that_is_no_name_is_refused(name):
    """With what a name is."""
    with pytest.raises(ConfigFault):
        compile_names([name])


@pytest.mark.parametrize("domain", ["", "local host", "corp", "-a.b"])
def test_a_text_that_is_no_domain_is_refused(domain):
    """With how one looks."""
    with pytest.raises(ConfigFault):
        compile_names([], [domain])


def test_many_names_are_found_among_many():
    """Ten thousand names, each found by itself."""
    letters = random.Random(5)
    names = list(dict.fromkeys("".join(letters.choices("bdfgklmnprstvz", k=7)) for _ in range(10_000)))
    dictionary = Names(compile_names(names))
    text = " ".join(names[::97])
    assert [match.value for match in dictionary.add(text, ())] == names[::97]


def test_without_hyperscan_the_same_is_found():
    """The slow way agrees."""
    dictionary = compile_names(["Order Service", "Kip"], ["corp.example.com"])
    text = "OrderService Kip a.corp.example.com order-service"
    slow = Names(dictionary._replace(database=b""))
    assert slow.add(text, ()) == Names(dictionary).add(text, ())
    assert len(slow.add(text, ())) == 4


def test_names_that_begin_alike_are_told_apart() -> None:
    """Two words are looked for in the first stage; the rest, and other joints in it, by each name's own pattern."""
    names = Names(compile_names(["Order Service Europe", "Order Service", "Order Service Asia", "Grün Werk"]))
    text = "order_service.europe orderServiceAsia ORDER-SERVICE order.service-europe grün_werk reorderservice"
    assert [text[match.start : match.end] for match in names.add(text, ())] == [
        "order_service.europe",
        "orderServiceAsia",
        "ORDER-SERVICE",
        "order.service-europe",
        "grün_werk",
    ]
