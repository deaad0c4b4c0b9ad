"""Names of systems: a company's own are found, those of documentation and of public projects are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from poundlock.core.detect import systems

if TYPE_CHECKING:
    from poundlock.core.detect.engine import Detector

INFRASTRUCTURE = frozenset({"infrastructure"})


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("https://jira.bluefinch.com/x", "infrastructure.host", "jira.bluefinch.com"),
        ("see wiki.corp.bluefinch.io now", "infrastructure.host", "wiki.corp.bluefinch.io"),
        ("ldap://dc01.bluefinch.local", "infrastructure.host", "dc01.bluefinch.local"),
        ("DB_HOST=ledger-db-prod-01", "infrastructure.host", "ledger-db-prod-01"),
        ("project_id: ledger-prod-4821", "infrastructure.cloud-account", "ledger-prod-4821"),
        ('registryId: "482915736402"', "infrastructure.cloud-account", "482915736402"),
        ('bucket = "bluefinch-tfstate"', "infrastructure.bucket", "bluefinch-tfstate"),
        ("--resource-group rg-ledger-prod", "infrastructure.resource", "rg-ledger-prod"),
        ("kubectl -n ledger-payments get pods", "infrastructure.cluster", "ledger-payments"),
        ("git checkout -b feature/PAY-4821-login", "infrastructure.ticket", "PAY-4821"),
        ("git@gitlab.bluefinch.io:payments/ledger.git", "infrastructure.repository", "payments/ledger"),
        ('"RoleName": "ledger-deploy-role"', "infrastructure.role", "ledger-deploy-role"),
    ],
)
def test_a_system_of_ones_own(detector: Detector, text: str, kind: str, value: str) -> None:
    """Each kind is found with exactly its name as the span."""
    found = {(match.kind, match.value) for match in detector.detect(text, families=INFRASTRUCTURE)}
    assert (kind, value) in found


@pytest.mark.parametrize(
    "text",
    [
        "https://jira.atlassian.com/browse/X",
        "https://wiki.python.org/moin",
        "https://registry.npmjs.org/left-pad",
        "threading.local()",
        "py.path.local",
        "http://metadata.google.internal/x",
        'bucket = "my-bucket"',
        "project = scikit-learn",
        "see RFC-2616 and UTF-8",
        "kubectl -n kube-system get pods",
        '"OwnerId": "012345678910"',
        "iam_role = workspace_role",
    ],
)
def test_what_anybody_may_name(detector: Detector, text: str) -> None:
    """Public projects, code and documentation stay quiet."""
    assert detector.detect(text, families=INFRASTRUCTURE) == ()


def test_an_example_is_no_id() -> None:
    """Ids of a cloud's documentation are rejected."""
    assert systems.opaque("Z3M3LMPEXAMPLE", "") == 0
    assert systems.opaque("Z3AADJGX6KTTL2", "") == 1
