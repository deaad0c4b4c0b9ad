"""Writes the documents with secrets: vendors' kinds, connection strings and the shapeless ones, and the hard negatives.

Must never know a detection rule, nor store a value.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from evaluation.makers import make
from evaluation.marks import Page, strip
from evaluation.samples import opaque, password, sample
from evaluation.templating import HERE, Scene, Template, load, names_of

if TYPE_CHECKING:
    from collections.abc import Iterator

Document = dict[str, object]
SPLITS = ("dev", "heldout")
PER_KIND = 14
GENERIC_PER_TEMPLATE = 12
NEGATIVES_PER_TEMPLATE = 80


@dataclass(frozen=True, slots=True)
class Kind:
    """A documented kind: what it is called, how keys name it, where it is used and how it is drawn."""

    name: str
    service: str
    keys: tuple[str, ...]
    host: str
    template: str
    flags: str


def table(name: str) -> Iterator[list[str]]:
    """Yield the rows of a `;;` table beside this module."""
    for line in (HERE / name).read_text().splitlines():
        if line and not line.startswith("# "):
            yield [cell.strip() for cell in line.split(";;")]


def kinds() -> list[Kind]:
    """Return the documented token kinds."""
    rows = table("kinds.txt")
    return [Kind(a, b, tuple(c.split()), d, e, f[0] if f else "") for a, b, c, d, e, *f in rows]


GENERIC: dict[str, tuple[str, str]] = {
    "generic.password": (
        "DB_PASSWORD DATABASE_PASSWORD PASSWORD ADMIN_PASSWORD REDIS_PASSWORD SMTP_PASSWORD LDAP_BIND_PASSWORD MYSQL_ROOT_PASSWORD "
        "KEYSTORE_PASSWORD userPassword POSTGRES_PASSWORD FTP_PASS db_pass DB_PWD passwd SUDO_PASS rootPw",
        "password",
    ),
    "generic.passphrase": (
        "SSH_PASSPHRASE GPG_PASSPHRASE KEY_PASSPHRASE BACKUP_PASSPHRASE WALLET_PASSPHRASE",
        "password",
    ),
    "generic.api-key": (
        "API_KEY apiKey BILLING_API_KEY X_API_KEY SEARCH_APIKEY INTERNAL_API_KEY PARTNER_KEY",
        "opaque",
    ),
    "generic.token": (
        "AUTH_TOKEN ACCESS_TOKEN REFRESH_TOKEN BEARER_TOKEN serviceToken ADMIN_TOKEN DEPLOY_TOKEN",
        "opaque",
    ),
    "generic.secret": (
        "SECRET_KEY APP_SECRET SHARED_SECRET SESSION_SECRET COOKIE_SECRET secretKeyBase WEBHOOK_SECRET",
        "opaque",
    ),
    "generic.client-secret": ("CLIENT_SECRET OAUTH_CLIENT_SECRET clientSecret OIDC_SECRET CONSUMER_SECRET", "opaque"),
    "generic.signing-key": ("JWT_SECRET JWT_SIGNING_KEY SIGNING_SECRET HMAC_KEY hmacSecret", "opaque"),
    "generic.encryption-key": ("ENCRYPTION_KEY AES_KEY MASTER_KEY DATA_ENCRYPTION_KEY cipherKey", "opaque"),
    "generic.credential": ("CREDENTIAL SERVICE_CREDENTIALS AUTH_CREDENTIAL", "opaque"),
}
_SERVICES = ["billing", "orders", "search", "mailer", "gateway", "warehouse", "reports", "payments", "crm", "legacy"]


def side(index: int) -> tuple[str, ...]:
    """Return the splits that may use the template of this index: of ten, two only dev, three only heldout."""
    return {0: ("dev",), 5: ("dev",), 3: ("heldout",), 7: ("heldout",), 9: ("heldout",)}.get(index % 10, SPLITS)


def allowed(templates: list[Template], split: str) -> list[Template]:
    """Return the templates that this split may use."""
    return [template for index, template in enumerate(templates) if split in side(index)]


def finish(page: Page, text: str, doc: Document) -> Document:
    """Strip the marks of `text` into the document's text, labels and neutral spans."""
    plain, labels, neutral = strip(text, page.slots)
    doc = {**doc, "text": plain, "labels": labels, "negative": not labels}
    if neutral:
        doc["neutral"] = neutral
    return doc


def stage(page: Page, key: str, service: str, host: str) -> Scene:
    """Return a scene with the names of a key and a service, and the structured secrets that some templates hold."""
    rng = page.rng
    given = {**names_of(key, service), "H": host}

    def secret(kind: str, text: str) -> str:
        return page.label("secret", f"secret.{kind}", text)

    return Scene(
        page,
        given,
        {
            "akid": lambda _: secret("aws.access-key", sample("(AKIA|ASIA)[A-Z2-7]{16}", rng)),
            "awssecret": lambda _: secret("aws.secret-key", sample("[A-Za-z0-9/+]{40}", rng)),
            "wgkey": lambda _: secret("wireguard.private-key", make("@b64(32)", rng)),
        },
    )


def _write(seed: str, template: Template, kind: str, value: str, names: tuple[str, str, str]) -> Document:
    page = Page(random.Random(f"{seed}/text"))
    scene = stage(page, *names)
    kind = template.options.get("kind", kind)
    if "«V" in template.text:
        scene.given["V"] = page.label("secret", f"secret.{kind}", value)
    if "«U" in template.text:
        scene.given["U"] = page.label(
            "secret", f"secret.{kind}", f"{page.rng.choice(['ci', 'deploy', 'admin'])}:{value}"
        )
    if "«E" in template.text:
        scene.given["E"] = page.label("secret", f"secret.{kind}", f"PORT=8080\n{names_of(names[0], '')['K']}={value}\n")
    text = lengthen(page, template.name, scene.render(template.text))
    return finish(page, text, {"id": seed, "set": "secret", "note": template.name})


def _fitting(kind: Kind, split: str, templates: list[Template]) -> list[Template]:
    letter = "b" if "b" in kind.flags else "m" if "m" in kind.flags else "t"
    fits = [t for t in allowed(templates, split) if letter in t.letters]
    if "s" in kind.flags and letter == "t":
        fits += [t for t in allowed(templates, split) if t.letters == "s"]
    return [t for t in fits if "kind" not in t.options or letter == "b"]


_LANGUAGES = {
    "python": "python",
    "django": "python",
    "conn-code-py": "python",
    "js": "js",
    "ts": "js",
    "go": "go",
    "java": "java",
    "ruby": "ruby",
    "rust": "rust",
    "log": "log",
    "stacktrace": "log",
    "hcl": "hcl",
    "env": "env",
    "cli": "shell",
    "curl": "shell",
    "terminal": "log",
}
_QUESTIONS = (
    "Why does this not work?",
    "Review this please:",
    "Translate this to another language:",
    "Can you clean this up?",
    "Was ist hier falsch?",
    "Pourquoi cela échoue-t-il ?",
    "¿Qué está mal aquí?",
    "这段有什么问题？",
    "What does this do?",
)


def lengthen(page: Page, name: str, text: str) -> str:
    """Put some documents into a longer file of their language, and some into a question with a fence."""
    chance = page.rng.random()
    language = _LANGUAGES.get(name) or _LANGUAGES.get(name.split("-", maxsplit=1)[0], "")
    if language and chance < 0.45:
        scene = Scene(page)
        reach = page.rng.choice([3, 6, 12, 40])
        return (
            f"{scene.render(f'«fill:{language}:0-{reach}»')}\n{text}\n{scene.render(f'«fill:{language}:0-{reach}»')}\n"
        )
    if chance > 0.9 and not name.startswith(("chat", "prompt", "shaped", "markdown")):
        return f"{page.rng.choice(_QUESTIONS)}\n\n```\n{text}```\n\n{Scene(page).render('«sentence»')}\n"
    return text


def _vendor(split: str, templates: list[Template]) -> Iterator[Document]:
    for index, kind in enumerate(kinds()):
        rng = random.Random(f"{split}/vendor/{kind.name}")
        only = "heldout" if index % 9 == 4 else None
        if only and only != split:
            continue
        fits = _fitting(kind, split, templates)
        chosen = rng.sample(fits, len(fits))
        if split == "heldout" and not only:  # surroundings that dev has not shown for this kind come first
            before = random.Random(f"dev/vendor/{kind.name}")
            dev = _fitting(kind, "dev", templates)
            shown = {template.name for template in before.sample(dev, len(dev))[: PER_KIND // 2]}
            chosen = [t for t in chosen if t.name not in shown] + [t for t in chosen if t.name in shown]
        for number, template in enumerate(chosen[: PER_KIND if only else PER_KIND // 2]):
            value = make(kind.template, rng)
            yield {
                **_write(
                    f"{split}-vendor-{kind.name}-{number}",
                    template,
                    kind.name,
                    value,
                    (rng.choice(kind.keys), kind.service, kind.host),
                ),
                "split": split,
            }


def _generic(split: str, templates: list[Template]) -> Iterator[Document]:
    for template in allowed(templates, split):
        if "g" not in template.letters:
            continue
        only = "t" not in template.letters
        for number in range(GENERIC_PER_TEMPLATE // 2):
            rng = random.Random(f"{split}/generic/{template.name}/{number}")
            kind = "generic.password" if only else rng.choice(list(GENERIC))
            keys, maker = GENERIC[kind]
            value = password(rng) if maker == "password" else opaque(rng)
            names = (rng.choice(keys.split()), rng.choice(_SERVICES), rng.choice(_SERVICES) + ".example.com")
            yield {**_write(f"{split}-generic-{template.name}-{number}", template, kind, value, names), "split": split}


def _connections(split: str, templates: list[Template]) -> Iterator[Document]:
    fits = [template for template in allowed(templates, split) if "u" in template.letters]
    for kind, service, keys, pattern in table("connections.txt"):
        rng = random.Random(f"{split}/connection/{kind}")
        for number, template in enumerate(rng.sample(fits, PER_KIND // 2)):
            seed = f"{split}-connection-{kind}-{number}"
            page = Page(random.Random(f"{seed}/text"))
            scene = stage(page, rng.choice(keys.split()), service, "api.example.com")
            raw = password(rng)
            values = {
                "pw": quote(raw, safe=""),
                "word": raw.replace("%", "8").replace("=", "7"),
                "b64key": make("@b64(64)", rng),
                "b64short": make("@b64(32)", rng),
                "hexpw": sample("\\h{32}", rng),
                "alnumpw": sample("[A-Za-z0-9_-]{27}", rng),
            }
            inner = Scene(page, {"hex32": sample("\\h{32}", rng)})
            for name, value in values.items():
                if f"«{name}»" in pattern:
                    inner.given[name] = page.label("secret", f"secret.connection.{kind}", value)
            scene.given["V"] = page.alternate(inner.render(pattern))
            if "«E" in template.text:
                scene.given["E"] = f"PORT=8080\n{scene.given['K']}={scene.given['V']}\n"
            doc: Document = {"id": seed, "split": split, "set": "secret", "note": template.name}
            yield finish(page, lengthen(page, template.name, scene.render(template.text)), doc)


def _negatives(split: str) -> Iterator[Document]:
    rows = kinds()
    pool = allowed(list(load("negative")), split)
    for template in pool:
        for number in range(NEGATIVES_PER_TEMPLATE // 2):
            seed = f"{split}-negative-{template.name}-{number}"
            rng = random.Random(seed)
            kind = rng.choice(rows)
            page = Page(rng)
            scene = stage(page, rng.choice(kind.keys), kind.service, kind.host)
            parts = [template.text]
            if rng.random() < 0.4:
                parts.append(rng.choice(pool).text)
            if rng.random() < 0.6:
                language = rng.choice(["python", "js", "go", "yaml", "shell", "log", "prose", "java", "rust", "env"])
                parts.insert(rng.randrange(2), f"«fill:{language}:2-12»\n")
            doc: Document = {"id": seed, "split": split, "set": "secret", "note": template.name}
            yield finish(page, scene.render("\n".join(parts)), doc)


def documents(split: str) -> Iterator[Document]:
    """Yield the documents of one split."""
    templates = list(load("secret"))
    yield from _vendor(split, templates)
    yield from _generic(split, templates)
    yield from _connections(split, templates)
    yield from _negatives(split)
