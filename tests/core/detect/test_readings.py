"""What stands between a name and its value: each way of writing is read, and the value's span is exact."""

# ruff: noqa: RUF001 (texts in many languages)

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from poundlock.core.detect import templates

if TYPE_CHECKING:
    from poundlock.core.detect.engine import Detector

HUMAN = "{A-Z:1}{a-z:6}#{1-9:4}"
RANDOM = "{A-Za-z0-9:31}7"

WAYS = {
    "a Terraform variable": 'variable "db_password" {{\n  type = string\n  default = "«{v}»"\n}}',
    "an object with a value": 'deploy_token = {{ value = "«{v}»" }}',
    "a CloudFormation parameter": '"DbPassword": {{"Type": "String", "Default": "«{v}»"}}',
    "the same in YAML": "DbPassword:\n    Type: String\n    Default: «{v}»\n",
    "a typed variable in Go": 'var dbPassword string = "«{v}»"',
    "an array in C": 'char db_password[] = "«{v}»";',
    "an assignment in R": 'auth_password <- "«{v}»"',
    "an arrow": "new db_password → «{v}»",
    "a block scalar": "db_password: |\n  «{v}»\nother: 1",
    "a folded scalar": "api_key: >-\n  «{v}»\nother: 1",
    "an anchor": "password: &main «{v}»",
    "the next line": "db_password:\n    «{v}»\nport: 1",
    "a continued line": 'db_password = \\\n    "«{v}»"',
    "a fallback": 'const db_password = process.env.DB || "«{v}»";',
    "a fallback of the name itself": 'process.env.DB_PASSWORD ?? "«{v}»"',
    "a default argument": 'password = os.environ.get("DB", "«{v}»")',
    "a default in a reference": "spring.datasource.password=${{DB:«{v}»}}",
    "a plist": "<key>password</key>\n\t<string>«{v}»</string>",
    "a table of a page": "<td>password</td><td>«{v}»</td>",
    "a part of a form": 'name="password"\r\n\r\n«{v}»\r\n--x',
    "a table's cell with ticks": "| password | `«{v}»` |",
    "a row": '"db_password","«{v}»"\n',
    "a flag's neighbour": 'gh secret set DB_PASSWORD --body "«{v}»"',
    "a bracket in a log": "smtp_password=[«{v}»] user=x",
    "prose with a purpose": "the password for staging: «{v}»",
    "prose with nothing between": "log in as joe with password «{v}» please",
    "a batch variable": "%DB_PASS%=«{v}»",
    "a borrowed type in Rust": 'const DB_PASSWORD: &\'static str = "«{v}»";',
    "a value in brackets": 'DB_PASSWORD = ("«{v}»")',
    "a field's selector": "page.fill('#password', '«{v}»')",
    "a wiki's table": "|db_password|{{{{«{v}»}}}}|\n",
    "prose in Portuguese": "A senha do banco é «{v}», por favor",
    "prose in Polish": "Hasło do serwera to: «{v}»\n",
    "prose in Russian": "Пароль от сервера: «{v}», логин ci.",
    "prose in Turkish": "Sunucunun parolası: «{v}», kullanıcı root.",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", [HUMAN, RANDOM])
def test_each_way_of_writing_is_read(detector: Detector, way: str, form: str) -> None:
    """The value is found under its name, with exactly its span, whatever connects the two."""
    text, values = templates.example(WAYS[way].replace("{v}", form).replace("{{", "{").replace("}}", "}"), "7")
    assert [match.value for match in detector.detect(text, families=frozenset({"secret"}))] == list(values)


@pytest.mark.parametrize("way", sorted(set(WAYS) - {"a part of a form", "a wiki's table"}))
@pytest.mark.parametrize("levels", [1, 2])
def test_each_way_is_read_within_a_string(detector: Detector, way: str, levels: int) -> None:
    """The same texts as strings of JSON, once and twice escaped: the value is found, in the same characters."""
    text, values = templates.example(WAYS[way].replace("{v}", HUMAN).replace("{{", "{").replace("}}", "}"), "7")
    for _ in range(levels):
        text = json.dumps({"content": f"see:\n{text}\nok"}, ensure_ascii=False)
    found = [match.value for match in detector.detect(text, families=frozenset({"secret"}))]
    assert found == list(values)


def test_a_scheme_is_no_part_of_an_escaped_header(detector: Detector) -> None:
    """`Bearer%20` stays outside of the span."""
    text, values = templates.example(f"Authorization=Bearer%20«{RANDOM}»", "7")
    assert [match.value for match in detector.detect(text)] == list(values)


@pytest.mark.parametrize(
    "text",
    [
        "password sha256 of the file",
        "the token 2024-05-01 was issued",
        "password expires in 12 days",
        "passwordEncoder: bcrypt2",
        '"AuthorizationStrategy": "SMART_ON_FHIR_V1"',
        "PASSWORD_TOO_SHORT = 'Password2Short'",
        'expect(token).toBe("identifier2")',
        "passwordCommand = 'pass show mail2'",
        "password: vault:secret/data/db#password7",
        r"passwordRegex = /^(?=.*[A-Z])(?=.*\d).{8,}$/",
        'encrypted_password: "q7Xz0v9Jk2Lw8Rt5Yb1N"',
        "cache-key: deps-0d191b6a57421349aff0cc743dc70adc64d53395",
        "publicKey: MCowBQYDK2VwAyEA1RfbF2EUOrCFf9NCzoaqi57gY2T3x=",
        "PrivateOKPKey = Ed25519PrivateKey | X448PrivateKey",
        '["password",\n "username",\n "remember"]',
        "password:\n    required: true\n",
        'variable "db_password" {\n  type = string\n  sensitive = true\n}\nx = "Harbor#2011"',
    ],
)
def test_what_only_speaks_of_a_secret_is_none(detector: Detector, text: str) -> None:
    """Names of things about secrets, references, digests and code stay quiet."""
    assert detector.detect(text, families=frozenset({"secret"})) == ()


@pytest.mark.parametrize(
    "text",
    [
        "taps = firwin(ntaps, pass_zero='lowpass')",
        "pw : rational number",
        '"clientRequestToken": "1d2129a1-3d38-460a-9756-e5b91fddb951"',
        "pass_through_mode2: on",
    ],
)
def test_code_that_only_sounds_like_a_secret(detector: Detector, text: str) -> None:
    """Filters that pass, parameters with types and idempotency tokens are no secrets."""
    assert detector.detect(text, families=frozenset({"secret"})) == ()


@pytest.mark.parametrize(
    "template",
    [
        "data:\n  password: «{=base64:(A-Za-z0-9:13)}»\n",
        'client_secret="«{a-f0-9:8}-{a-f0-9:4}-4{a-f0-9:3}-a{a-f0-9:3}-{a-f0-9:12}»"',
        "bindpw «{A-Z:1}{a-z:6}#{1-9:4}»\n",
    ],
)
def test_shapes_that_look_like_something_else(detector: Detector, template: str) -> None:
    """Padding is no assignment, a UUID under a strong name is a secret, and a setting has its value behind a space."""
    text, values = templates.example(template, "7")
    assert [match.value for match in detector.detect(text, families=frozenset({"secret"}))] == list(values)


@pytest.mark.parametrize(
    "template",
    [
        "der Schlüssel für search lautet «{A-Za-z0-9:27}7»",
        "search 的密钥是：«{A-Za-z0-9:27}7»，请更新",
        "this is the key we use: «{a-f0-9:32}» it worked",
        "use the shared key `«{a-f0-9:32}»` until then",
        "here is the new deploy_token:\n\n    «{a-z0-9:31}7»\n\nPlease rotate",
        'token = ("«{A-Za-z0-9:15}»"\n    "«{A-Za-z0-9:15}7»")',
        'AES_KEY="«{a-f0-9:64}»"',
        "VAULT_SECRET_ID=«{a-f0-9:8}-{a-f0-9:4}-4{a-f0-9:3}-a{a-f0-9:3}-{a-f0-9:12}»",
    ],
)
def test_keys_in_sentences_mails_and_parts(detector: Detector, template: str) -> None:
    """Random values are found where a sentence, a mail or joined parts name them, and nothing beside them."""
    text, values = templates.example(template, "7")
    found = detector.detect(text, families=frozenset({"secret"}))
    assert [(match.start, match.end) for match in found] == [
        (text.index(values[0]), text.index(values[-1]) + len(values[-1]))
    ]


@pytest.mark.parametrize(
    "template",
    [
        'password = "INSERT_PASSWORD_HERE"\n\nS3_REGION=eu-west-3',
        'AUTH_TOKEN_COOKIE = "auth_token"\n\nvpc-{a-f0-9:17} up',
        "password_encryption = scram-sha-256",
        '<div data-sitekey="6L{A-Za-z0-9:38}"></div> recaptcha',
        "KEY = 000102030405060708090a0b0c0d0e0f",
        "the foreign key {a-f0-9:32}",
        'secret_id = "projects-db-password-1"',
    ],
)
def test_neighbours_of_names_that_are_no_values(detector: Detector, template: str) -> None:
    """What stands below a string, names of algorithms, public keys and counted bytes are no secrets."""
    text, _ = templates.example(template, "7")
    assert detector.detect(text, families=frozenset({"secret"})) == ()
