"""Writes the documents with personal data and with infrastructure, and the hard negatives of both.

Must never know a detection rule, nor store a value.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from evaluation import accounts
from evaluation.identities import NATIONAL
from evaluation.marks import Page
from evaluation.people import Person
from evaluation.samples import NOUNS, sample
from evaluation.secret_set import Document, allowed, finish
from evaluation.templating import Scene, Template, load

if TYPE_CHECKING:
    from collections.abc import Iterator

PII_PER_TEMPLATE = 20
PII_NEGATIVES_PER_TEMPLATE = 32
INFRASTRUCTURE_PER_TEMPLATE = 18
INFRASTRUCTURE_NEGATIVES_PER_TEMPLATE = 30
IDS_PER_KIND = 12
Draw = Callable[[random.Random], str]
_REPEAT = re.compile(r"^@@(\d+)-(\d+) (.*)$", re.MULTILINE)


def _cast(page: Page) -> Callable[[Scene], Scene]:
    """Return a scene maker that draws another person for each `name#N`."""

    def fill(scene: Scene) -> Scene:
        person = Person(page)
        scene.extra.update(person.fields())
        return scene

    return fill


def _render(page: Page, text: str, prepare: Callable[[Scene], Scene]) -> str:
    """Render a template: `@@a-b line` stands for that many lines, each about somebody else; `#2` is a second person."""
    main = prepare(Scene(page))
    others: dict[str, Scene] = {}

    def one(scene: Scene, part: str) -> str:
        def secondary(found: re.Match[str]) -> str:
            name = found.group(1)
            base = re.split(r"[:|]", name)[0]
            number = base.partition("#")[2]
            other = others.setdefault(number, prepare(Scene(page)))
            return other.render("«" + name.replace("#" + number, "") + "»")

        return scene.render(re.sub("«([a-z]\\w*#\\d[^»]*)»", secondary, part))

    out: list[str] = []
    last = 0
    for found in _REPEAT.finditer(text):
        out.append(one(main, text[last : found.start()]))
        line = found.group(3).replace("\\n", "\n")
        count = page.rng.randint(int(found.group(1)), int(found.group(2)))
        out.append("\n".join(prepare(Scene(page)).render(line) for _ in range(count)))
        last = found.end()
    out.append(one(main, text[last:]))
    return "".join(out)


def _surround(page: Page, template: Template, text: str) -> str:
    """Put some documents into a longer file or a question."""
    language = {
        "code-python": "python",
        "code-js": "js",
        "code-java": "java",
        "code-go": "go",
        "log": "log",
        "stack": "log",
    }
    found = next((value for key, value in language.items() if template.name.startswith(key)), "")
    chance = page.rng.random()
    scene = Scene(page)
    if found and chance < 0.6:
        before, after = (scene.render(f"«fill:{found}:0-{page.rng.choice([3, 8, 30])}»") for _ in range(2))
        return f"{before}\n{text}\n{after}\n"
    if chance > 0.9 and not template.name.startswith(("chat", "prompt", "email", "ticket")):
        question = page.rng.choice(
            [
                "Explain this file:",
                "Why does this fail?",
                "Please turn this into a test.",
                "Was macht dieser Code?",
                "Résume ce fichier :",
            ]
        )
        return f"{question}\n\n```\n{text}```\n"
    return text


def _infrastructure(page: Page) -> Callable[[Scene], Scene]:
    rng = page.rng

    def label(kind: str, text: str) -> str:
        return page.label("infrastructure", f"infrastructure.{kind}", text)

    def domain() -> str:
        company = rng.choice(["acme", "nordwind", "lumenor", "tessaro"])
        return rng.choice(
            [
                f"corp.{company}.com",
                f"{company}.internal",
                f"{company}.local",
                f"int.{company}.io",
                f"{company}.lan",
                f"intranet.{company}.de",
                f"prod.{company}.internal",
                f"{company}.corp",
            ]
        )

    def host() -> str:
        role = rng.choice(["db", "app", "jenkins", "grafana", "ldap", "kafka", "web", "vault", "wiki", "git", "pg"])
        return f"{role}{rng.choice(['', '-1', '02', '-prod-3', '-eu1'])}.{domain()}"

    def arn() -> str:
        account = sample("[1-9]\\d{11}", rng)
        return rng.choice(
            [
                f"arn:aws:iam::{account}:role/{rng.choice(NOUNS)}-deploy",
                f"arn:aws:iam::{account}:user/{rng.choice(NOUNS)}",
                f"arn:aws:sqs:eu-west-1:{account}:{rng.choice(NOUNS)}-queue",
                f"arn:aws:lambda:us-east-1:{account}:function:{rng.choice(NOUNS)}",
            ]
        )

    def bucket() -> str:
        return f"{rng.choice(['acme', 'nordwind', 'lumenor'])}-{rng.choice(NOUNS)}-{rng.choice(['prod', 'backups', 'logs', 'data-eu'])}"

    def context() -> str:
        return rng.choice(
            [
                f"prod-eu-{rng.choice(NOUNS)}",
                f"gke_acme-{rng.choice(NOUNS)}_europe-west1-b_main",
                f"arn:aws:eks:eu-west-1:{sample('[1-9][0-9]{11}', rng)}:cluster/{rng.choice(NOUNS)}",
                f"{rng.choice(NOUNS)}-admin@{rng.choice(NOUNS)}-prod",
            ]
        )

    def prepare(scene: Scene) -> Scene:
        scene.extra.update(
            {
                "ih": lambda _: label("internal-host", host()),
                "intdom": lambda _: domain(),
                "inturl": lambda _: label(
                    "internal-url", f"https://{host()}/{rng.choice(NOUNS)}/{rng.randint(1, 999)}"
                ),
                "ip": lambda _: label("private-address", accounts.private_ip(rng)),
                "ula": lambda _: label("private-address", sample("fd\\h{2}:\\h{4}:\\h{4}::\\h{1,4}", rng)),
                "cidr": lambda _: label("private-address", f"10.{rng.randint(1, 250)}.{rng.randint(1, 250)}.0/24"),
                "arn": lambda _: label("arn", arn()),
                "account": lambda _: label("cloud-account", sample("[1-9]\\d{11}", rng)),
                "ecr": lambda _: label("registry", f"{sample('[1-9][0-9]{11}', rng)}.dkr.ecr.eu-west-1.amazonaws.com"),
                "gcpproject": lambda _: label("cloud-account", f"acme-{rng.choice(NOUNS)}-{rng.randint(1000, 99999)}"),
                "subscription": lambda _: label("cloud-account", sample("\\h{8}-\\h{4}-4\\h{3}-a\\h{3}-\\h{12}", rng)),
                "bucket": lambda _: label("bucket", bucket()),
                "cluster": lambda _: label("cluster", f"{rng.choice(NOUNS)}-{rng.choice(['prod', 'eu1', 'staging'])}"),
                "context": lambda _: label("kube-context", context()),
                "vpc": lambda _: label("network", sample("vpc-0\\h{16}", rng)),
                "subnet": lambda _: label("network", sample("subnet-0\\h{16}", rng)),
                "sg": lambda _: label("network", sample("sg-0\\h{16}", rng)),
                "svcdns": lambda _: label(
                    "internal-host", f"{rng.choice(NOUNS)}.{rng.choice(NOUNS)}.svc.cluster.local"
                ),
            }
        )
        return scene

    return prepare


def _thicken(page: Page, template: Template, others: list[Template]) -> str:
    parts = [template.text]
    if page.rng.random() < 0.6:
        parts.append(page.rng.choice(others).text)
    if page.rng.random() < 0.6:
        language = page.rng.choice(
            ["python", "js", "go", "yaml", "shell", "log", "prose", "java", "rust", "dockerfile", "ruby", "hcl"]
        )
        parts.insert(page.rng.randrange(2), f"«fill:{language}:1-12»\n")
    return "\n".join(parts)


def _numbers() -> Iterator[tuple[str, tuple[str, ...], str, Callable[[random.Random], str]]]:
    """Yield every numbered identity: its name, the words for it, its kind and how it is drawn."""
    for name, (words, kind, draw) in NATIONAL.items():
        yield name, words, kind, draw
    for words, draw in accounts.HEALTH:
        yield words[0], words, "health_id", draw
    for words, pattern in accounts.INSURANCE:
        yield words[0], words, "insurance_id", partial(sample, pattern)
    for number, pattern in enumerate(accounts.PASSPORTS):
        yield (
            f"passport-{number}",
            ("passport number", "passport_no", "Reisepass-Nr", "passport"),
            "passport",
            partial(sample, pattern),
        )
    for number, pattern in enumerate(accounts.LICENCES):
        words = ("driver's license", "driving_licence", "driver_license_number", "Führerscheinnummer")
        yield f"licence-{number}", words, "driver_license", partial(sample, pattern)
    for number, pattern in enumerate(accounts.PLATES):
        yield (
            f"plate-{number}",
            ("license plate", "plate_number", "Kennzeichen", "registration plate"),
            "vehicle_plate",
            partial(sample, pattern),
        )
    for words, kind, draw in (
        (("VIN", "vin", "vehicle_identification_number"), "vin", accounts.vin),
        (("IMEI", "imei", "device_imei"), "device_id", accounts.imei),
        (("credit card", "card_number", "PAN", "Kreditkarte"), "credit_card", accounts.card),
        (("IBAN", "iban", "bank_account"), "iban", accounts.iban),
        (("BIC", "swift_code", "SWIFT/BIC"), "bic", accounts.bic),
    ):
        yield kind, words, kind, draw


def _identities(split: str) -> Iterator[Document]:
    """Yield documents for every numbered identity, in several surroundings each."""
    templates = allowed(list(load("ids")), split)
    for name, words, kind, draw in _numbers():
        rng = random.Random(f"{split}/ids/{name}")
        for number, template in enumerate(rng.sample(templates, IDS_PER_KIND // 2)):
            seed = f"{split}-ids-{name.replace(' ', '_')}-{number}"
            page = Page(random.Random(seed))
            keys = [word for word in words if re.fullmatch(r"\w+", word)] or [re.sub(r"\W+", "_", words[0]).strip("_")]
            given = {"idk": page.rng.choice(keys), "idp": page.rng.choice(words)}

            def prepare(
                scene: Scene, page: Page = page, given: dict[str, str] = given, kind: str = kind, draw: Draw = draw
            ) -> Scene:
                scene.given.update(given)
                scene.extra.update(Person(page).fields())
                scene.extra["idv"] = lambda _: page.label("pii", kind, draw(page.rng))
                return scene

            text = _surround(page, template, _render(page, template.text, prepare))
            yield finish(page, text, {"id": seed, "split": split, "set": "pii", "note": template.name})


def _plain(_: Page) -> Callable[[Scene], Scene]:
    return lambda scene: scene


def _family(
    split: str, name: str, family: str, per: int, prepare: Callable[[Page], Callable[[Scene], Scene]]
) -> Iterator[Document]:
    for template in allowed(list(load(name)), split):
        for number in range(per // 2):
            seed = f"{split}-{name}-{template.name}-{number}"
            page = Page(random.Random(seed))
            source = template.text
            if name.endswith("_negative"):
                source = _thicken(
                    page, template, [other for other in allowed(list(load(name)), split) if other is not template]
                )
            text = _surround(page, template, _render(page, source, prepare(page)))
            yield finish(page, text, {"id": seed, "split": split, "set": family, "note": template.name})


def documents(split: str) -> Iterator[Document]:
    """Yield the documents of one split."""
    yield from _family(split, "pii", "pii", PII_PER_TEMPLATE, _cast)
    yield from _identities(split)
    yield from _family(split, "pii_negative", "pii", PII_NEGATIVES_PER_TEMPLATE, _plain)
    yield from _family(split, "infrastructure", "infrastructure", INFRASTRUCTURE_PER_TEMPLATE, _infrastructure)
    yield from _family(
        split, "infrastructure_negative", "infrastructure", INFRASTRUCTURE_NEGATIVES_PER_TEMPLATE, _plain
    )
