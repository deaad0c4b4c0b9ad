"""Workloads: which entry an issuer's claims fit, and which they don't."""

import pytest

from poundlock.core.errors import ClientFault
from poundlock.core.identity.workloads import LONGEST, Workload, asked, fits, person

NOW = 1_800_000_000
NS = 1_000_000_000
GITHUB = "https://token.actions.githubusercontent.com"
ORDERS = Workload(
    name="orders",
    issuer=GITHUB,
    audience="poundlock",
    claims={"repository": "northwind/orders", "ref": "refs/heads/*"},
    tool="ci",
)
SPIRE = Workload(name="spire", audience="poundlock", claims={"sub": "spiffe://corp.example/ci/*"}, tool="ci")
SAID = {
    "iss": GITHUB,
    "aud": "poundlock",
    "sub": "repo:northwind/orders:ref:refs/heads/main",
    "repository": "northwind/orders",
    "ref": "refs/heads/main",
    "exp": NOW + 300,
    "iat": NOW,
    "nbf": NOW,
}


def test_claims_that_fit():
    """Each condition, exact or by its beginning."""
    assert fits([SPIRE, ORDERS], SAID, now=NOW * NS) is ORDERS
    assert asked([SPIRE, ORDERS], SAID) == (ORDERS,)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"iss": "https://elsewhere.example"}, "Nobody here trusts"),
        ({"iss": None}, "Nobody here trusts"),
        ({"aud": "sigstore"}, "somebody else"),
        ({"aud": ["sigstore"]}, "somebody else"),
        ({"repository": "northwind/orders-fork"}, "none that is configured"),
        ({"repository": ["northwind/orders"]}, "none that is configured"),
        ({"ref": "refs/pull/1/merge"}, "none that is configured"),
        ({"ref": None}, "none that is configured"),
        ({"exp": NOW - 31}, "has expired"),
        ({"exp": None}, "how long"),
        ({"exp": True}, "how long"),
        ({"exp": NOW + LONGEST + 1}, "too long"),
        ({"nbf": NOW + 300}, "not valid yet"),
    ],
)
def test_claims_that_do_not_fit(changed, said):
    """Another issuer, audience, repository, branch or time."""
    with pytest.raises(ClientFault) as fault:
        fits([ORDERS], {**SAID, **changed}, now=NOW * NS)
    assert said in fault.value.message


def test_an_entry_without_conditions_fits_nothing():
    """A public issuer vouches for everybody."""
    anybody = Workload(name="x", issuer=GITHUB, audience="poundlock", claims={}, tool="ci")
    with pytest.raises(ClientFault):
        fits([anybody], SAID, now=NOW * NS)


@pytest.mark.parametrize(
    ("sub", "fit"),
    [
        ("spiffe://corp.example/ci/orders", True),
        ("spiffe://corp.example/web", False),
        ("spiffe://corp.example.evil/ci/orders", False),
        ("spiffe://other.example/ci/orders", False),
        ("corp.example/ci/orders", False),
        (None, False),
    ],
)
def test_a_svid_is_of_its_trust_domain(sub, fit):
    """JWT-SVIDs need no issuer: the trust domain and the path say who it is."""
    said = {"sub": sub, "aud": ["poundlock"], "exp": NOW + 60}
    if fit:
        assert fits([SPIRE], said, now=NOW * NS) is SPIRE
    else:
        with pytest.raises(ClientFault):
            fits([SPIRE], said, now=NOW * NS)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ""),
        ({"aud": ["poundlock-cli", "other"], "azp": "poundlock-cli"}, ""),
        ({"aud": ["poundlock-cli", "other"], "azp": "other"}, "another client"),
        ({"aud": "other"}, "another client"),
        ({"iss": "https://elsewhere.example"}, "another issuer"),
        ({"email": None}, "nothing of email"),
        ({"email_verified": False}, "did not verify"),
        ({"exp": NOW - 60}, "has expired"),
    ],
)
def test_whose_an_id_token_is(changed, said):
    """Issuer, client, time, and the claim that names the person."""
    token = {"iss": "https://id.example", "aud": "poundlock-cli", "email": "ada@corp.example", "exp": NOW + 60}
    given = {"issuer": "https://id.example", "audience": "poundlock-cli", "claim": "email", "now": NOW * NS}
    if not said:
        assert person({**token, **changed}, **given) == "ada@corp.example"
        return
    with pytest.raises(ClientFault) as fault:
        person({**token, **changed}, **given)
    assert said in fault.value.message
