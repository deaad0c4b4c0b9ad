"""Personal data where it stands in developers' texts: found whole, and its look-alikes left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from poundlock.core.detect.engine import Detector

PII = frozenset({"pii"})


def found(detector: Detector, text: str) -> list[tuple[str, str]]:
    """Give kinds and the text of the spans."""
    return [(match.kind, text[match.start : match.end]) for match in detector.detect(text, families=PII)]


@pytest.mark.parametrize(
    ("before", "value", "after", "kind"),
    [
        ("GET /u?email=", "marit.vang@fjordlab.no", "&x=1", "pii.email"),
        ("GET /u?email=", "marit.vang%40fjordlab.no", "&x=1", "pii.email"),
        ('{"homePhone": "', "030 5551 7382", '"}', "pii.phone"),
        ("call ", "+44 20 7183 8750", " now", "pii.phone"),
        ("ssn=", "412557781", " ok", "pii.us_ssn"),
        ("Passport No.: ", "C84736251", "\n", "pii.passport"),
        ("driver's license ", "D7736251", ".", "pii.driver_license"),
        ("patientDob: '", "1962-03-18", "'", "pii.date_of_birth"),
        ("born on ", "18 March 1962", ".", "pii.date_of_birth"),
        ("", "4821 Sycamore Ct Apt 12, Boise, ID 83702", "", "pii.address"),
        ("wohnt ", "Lindenallee 14, 14467 Potsdam", ".", "pii.address"),
        ("habite ", "12 rue des Lilas, 44000 Nantes", ".", "pii.address"),
        ("Hi ", "Saoirse", ",\nthe build", "pii.person"),
        ("Best regards,\n", "Ingvild Thorvaldsen", "\n", "pii.person"),
        ("Author: ", "Ludovic Marchetti", " <l@x.fr>", "pii.person"),
        ("<lastName>", "Okonkwo", "</lastName>", "pii.person"),
        ("the patient ", "Gudrun Vestergaard", " was", "pii.person"),
        ("MRN: ", "MRN-8837261", ",", "pii.health_id"),
        ("member id ", "W482716395", " ok", "pii.insurance_id"),
        ("Kennzeichen ", "B-KL 4821", " fuhr", "pii.vehicle_plate"),
        ('"lat": ', "52.520817", ",", "pii.location"),
        ("client ", "84.33.121.60", " -", "pii.ip_address"),
        ("from ", "2a02:8109:9c40:1a2b::17", " port", "pii.ip_address"),
        ("ether ", "8c:85:90:1f:4d:22", " txq", "pii.mac_address"),
        ("swift_code=", "KESSDEFF", " ", "pii.bic"),
    ],
)
def test_a_value_is_found_whole(detector: Detector, before: str, value: str, after: str, kind: str) -> None:
    """Kind and span are exact."""
    assert (kind, value) in found(detector, before + value + after)


@pytest.mark.parametrize(
    "text",
    [
        "git clone git@github.com:org/repo.git",
        "npm i lodash@4.17.21",
        "mail user@example.com or a@b.test",
        "ObjectIdentifier('2.5.29.27')",
        "version: 84.33.21.60",
        "netmask 255.255.255.0, docs 192.0.2.17 and 2001:db8::1",
        "resolver 8.8.8.8 and 2606:4700:4700::1111",
        "SHA1 Fingerprint=AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD",
        "mac 00:00:5e:00:53:af",
        "pay with 4242424242424242",
        "call +1 415 555 0142",
        "bare 44051401458 digits prove nothing",
        "pesel: 44051401459",
        "Hi there,\nHello World!\nDear Customer,",
        "The Client Credentials Grant of OAuth",
        "51 Franklin Street, Fifth Floor, Boston, MA 02110-1301",
        "x = math.sin(0.123456789)",
        "def f(first_name: str, last_name: Optional[str] = None): ...",
        "const first = Math.floor(n / 2); phone = getPhone()",
        "see RFC 1234 and rfc 850615",
        '"name": "Visual Studio", "version": 1',
        "date of birth: 99/99/1999",
    ],
)
def test_a_look_alike_is_left_alone(detector: Detector, text: str) -> None:
    """Documentation, identifiers, versions, samples and code are no personal data."""
    assert found(detector, text) == []


def test_a_key_says_what_its_value_is(detector: Detector) -> None:
    """A JSON leaf is read under its name, with the name's own rules."""
    matches = detector.detect("Okonkwo", key="customerLastName")
    assert [(match.kind, match.start, match.end) for match in matches] == [("pii.person", 0, 7)]
    assert detector.detect("44051401458", key="pesel")[0].kind == "pii.national_id"
    assert detector.detect("44051401458", key="count") == ()
