"""Validators of infrastructure: what the name of a system proves, and which names stand in documentation only.

Must never resolve a name or ask anybody whether it exists.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from poundlock.core.detect.expressions import Expression

if TYPE_CHECKING:
    from collections.abc import Callable

REJECT, SAME = 0.0, 1.0

PLAIN = frozenset(
    """
    my your some the a an test tests testing example examples sample demo foo bar baz dummy default new old mock
    fake bucket buckets cluster clusters project projects account accounts storage context container name
    service server host app database db tenant instance org company domain proj vault workspace registry data
    repo s3 gcs gs aws gcp eks gke aks k8s kube kubernetes first second private public web cool awesome unique
    id here docs doc www api status help support learn dev developer login community console static cdn assets
    minikube docker desktop kind rancher mybucket myaccount myproject mycluster mydb examplebucket yourbucket x
    y one two source target destination dest src input output local localhost node worker master primary replica
    backend frontend redis postgres mysql mongo kafka rabbitmq nginx elasticsearch zookeeper broker proxy
    gateway client role policy admin user exec execution basic readonly lambda function profile group team
    """.split()  # noqa: SIM905 (words read better than quotes)
)
"""Words of documentation: a name made of these alone says nothing about anybody."""
SPLIT = Expression(r"[a-z]+|[0-9]+|[^a-z0-9]+")
ACCOUNTS = frozenset(
    ["123456789012", "111122223333", "012345678901", "444455556666", "999999999999", "000000000000", "210987654321"]
)


def _said(value: str) -> bool:
    """Say whether a name holds a word that is not one of documentation."""
    return any(len(word) > 1 and word.isalpha() and word not in PLAIN for word in SPLIT.findall(value.lower()))


def bucket(value: str, _: str) -> float:
    """Judge the name of a bucket, a project or a cluster: not a placeholder."""
    low = value.lower()
    if (
        "example" in low
        or "xxx" in low
        or "placeholder" in low
        or "your" in low
        or low.startswith(("my-", "amzn-s3-demo"))
    ):
        return REJECT
    return SAME if _said(value) else REJECT


def hostname(value: str, _: str) -> float:
    """Judge a bare host name of a URL with a port: not a word of documentation with a number."""
    return bucket(value, "")


def tenant(value: str, _: str) -> float:
    """Judge the host of a cloud service: its first label is a customer's."""
    first = value.partition(".")[0]
    if first.lower() in PLAIN or value.count(".") < 2 or any(account in value for account in ACCOUNTS):
        return REJECT
    return bucket(first, "")


def resource(value: str, _: str) -> float:
    """Judge an AWS resource id: its hexadecimal digits are not a run or a repetition."""
    digits = value.rpartition("-")[2]
    if len(set(digits)) < 5 or any(
        run in digits for run in ("12345678", "1234567890", "abcdef0", "0abcdef", "9876543")
    ):
        return REJECT
    return SAME if re.search(r"[0-9]", digits) and (len(digits) > 8 or re.search(r"[a-f]", digits)) else REJECT


# Domains whose hosts anybody may name: projects, vendors, registries and documentation.
PUBLIC = frozenset(
    """
    example test invalid localhost domain company mycompany yourcompany acme contoso fabrikam foo bar npmjs
    yarnpkg k8s docker terraform golang gitlab github bitbucket jenkins hashicorp atlassian redhat google
    googleapis googlesource microsoft windows azure apple amazonaws amazon aws mozilla apache gnu kernel debian
    ubuntu archlinux fedoraproject python pypi rubygems nodejs npm rust-lang crates oracle ibm intel nvidia
    cloudflare fastly jetbrains eclipse gnome kde freedesktop videolan wikimedia wikipedia mediawiki postgresql
    mysql mongodb redis elastic grafana sentry splunk confluent databricks snowflake spring jfrog sonatype
    readthedocs huggingface pytorch tensorflow openai anthropic quay gcr ghcr openshift rancher okta auth0
    onelogin your-domain yourdomain mydomain my-company your-company sr stackoverflow mit cern savannah
    sourceware llvm qt chromium android unity3d steampowered bioconductor r-project
    """.split()  # noqa: SIM905 (words read better than quotes)
)


def zone(value: str, argument: str) -> float:
    """Judge a host on a company's own domain: not one of a public project, of documentation, or of code."""
    labels = value.lower().split(".")
    if not PUBLIC.isdisjoint(labels[1:]) or labels[0] in CODE or any("_" in label for label in labels):
        return REJECT
    if argument == "tool" and labels[-1] in ("org", "edu", "gov"):
        return REJECT
    if len(labels) == 2 and not re.search(r"[0-9-]", labels[0]):
        return REJECT
    return SAME if any(_said(label) for label in labels[:-1]) else REJECT


CODE = frozenset(
    """
    self this cls py path config settings app module package window document process os sys threading asyncio
    torch np nn local import from com org net java javax crate super props state data obj ctx req res request
    response
    """.split()  # noqa: SIM905 (words read better than quotes)
)


def selfhosted(value: str, _: str) -> float:
    """Judge the host of a tool that companies run themselves: on no public project's domain."""
    return zone(value, "tool")


def identity(value: str, _: str) -> float:
    """Judge a service account's address: one of its two names is a company's own."""
    name, _, rest = value.partition("@")
    project = rest.partition(".")[0]
    return SAME if bucket(project, "") and (_said(name) or _said(project)) else REJECT


def container(value: str, _: str) -> float:
    """Judge what stands under `bucket`: a name of several words, or a long one, and no file."""
    if re.search(r"\.(?:py|js|ts|json|ya?ml|csv|txt|com|org|net|io)$", value) or value.isdigit():
        return REJECT
    if "-" not in value and "." not in value and not re.search(r"[0-9]$", value):
        return REJECT
    return bucket(value, "")


NAMESPACES = ("kube-", "istio-", "cert-manager", "ingress-", "openshift-", "default-", "gke-", "my-", "test-", "argo-")


def namespace(value: str, _: str) -> float:
    """Judge a cluster's or a namespace's name: not one that every installation has."""
    return REJECT if value.startswith(NAMESPACES) else bucket(value, "")


def account(value: str, _: str) -> float:
    """Judge an AWS account number: not one of the documentation's."""
    plain = value.replace("-", "")
    return REJECT if plain in ACCOUNTS or len(set(plain)) < 3 or plain.startswith("0123456789") else SAME


def opaque(value: str, _: str) -> float:
    """Judge an id that a cloud gave: not one of the documentation's, and no run."""
    body = value.rpartition("_")[2].upper()
    return REJECT if "EXAMPLE" in body or "XXX" in body or "12345" in body or len(set(body)) < 5 else SAME


TABLE: dict[str, Callable[[str, str], float]] = {
    "bucket": bucket,
    "hostname": hostname,
    "tenant": tenant,
    "resource": resource,
    "account": account,
    "zone": zone,
    "selfhosted": selfhosted,
    "identity": identity,
    "opaque": opaque,
    "container": container,
    "namespace": namespace,
}
