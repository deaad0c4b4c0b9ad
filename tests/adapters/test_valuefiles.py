"""Values to register, read from the files that hold them."""

import io
import json
import sqlite3
import zipfile

import pytest

from poundlock.adapters import valuefiles
from poundlock.core.errors import ConfigFault


def read(text, name, form="", columns=()):
    """Give name, value, chosen of each value."""
    data = text if isinstance(text, bytes) else text.encode()
    return [(item.name, item.value, chosen) for item, chosen in valuefiles.values(data, name, form, columns)]


def test_an_environment_file():
    """Quotes, `export`, comments, escapes; of an address with a password in it, the password."""
    text = """
# a comment = none
export DB_PASSWORD="plum\\nquince"   # why
PLAIN=value # note
URL=postgres://bob:tr0ub4dor%263@db.example.com/x
HOME_PAGE=https://example.com/
SINGLE='a # b'
"""
    assert read(text, ".env") == [
        ("DB_PASSWORD", "plum\nquince", False),
        ("PLAIN", "value", False),
        ("URL password", "tr0ub4dor&3", False),
        ("SINGLE", "a # b", False),
    ]


def test_cloud_credential_files():
    """AWS' INI, a Google service account's JSON, a kubeconfig's YAML, npm's settings."""
    assert read("[default]\naws_access_key_id = one\naws_secret_access_key = two\n", "credentials") == [
        ("aws_access_key_id", "one", False),
        ("aws_secret_access_key", "two", False),
    ]
    assert ("private_key", "a\nb", False) in read(json.dumps({"type": "x", "private_key": "a\nb"}), "key.json")
    assert ("token", "three", False) in read("users:\n- name: me\n  user:\n    token: three\n", "config")
    assert read("//registry.example.com/:_authToken=four\n", ".npmrc") == [("_authToken", "four", False)]


def test_password_files_of_databases_and_machines():
    """PostgreSQL's fields with their escapes, netrc's words."""
    assert read("db:5432:x:bob:plum\\:quince\n", ".pgpass") == [("password", "plum:quince", False)]
    assert read("machine example.com login bob password plum-quince\n", ".netrc") == [
        ("password", "plum-quince", False)
    ]


def test_exports_of_password_managers():
    """Bitwarden's JSON with a hidden field, KeePass' CSV, 1Password's zip; a one-time seed out of its address."""
    bitwarden = {
        "items": [
            {
                "name": "Mail",
                "login": {"username": "bob", "password": "p1", "totp": "otpauth://totp/x?secret=ABCDEFGH"},
                "fields": [{"name": "pin", "value": "p2", "type": 1}, {"name": "site", "value": "p3", "type": 0}],
            }
        ]
    }
    found = read(json.dumps(bitwarden), "bitwarden.json")
    assert ("password", "p1", False) in found
    assert ("totp password", "ABCDEFGH", False) in found
    assert ("pin password", "p2", False) in found
    assert ("site", "p3", False) in found
    keepass = '"Title","Username","Password","URL"\n"Mail","bob","p""4","https://x.example"\n'
    assert read(keepass, "keepass.csv") == [("Password", 'p"4', False)]
    data = io.BytesIO()
    one = {"accounts": [{"details": {"loginFields": [{"designation": "password", "value": "p5", "name": ""}]}}]}
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("export.data", json.dumps(one))
    assert read(data.getvalue(), "mine.1pux") == [("password password", "p5", False)]


def test_columns_of_tables(tmp_path):
    """A CSV's column by name, a database's as table.column; what is chosen says so."""
    table = "id;customer\n1;Ada Lovelace\n2;Grace Hopper\n"
    assert read(table, "c.csv", columns=["customer"]) == [
        ("customer", "Ada Lovelace", True),
        ("customer", "Grace Hopper", True),
    ]
    path = tmp_path / "c.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table customers (id integer, name text)")
        connection.execute("insert into customers values (7, 'Ada Lovelace'), (8, null)")
    connection.close()
    found = list(valuefiles.database(str(path), ["customers.name", "customers.id"]))
    assert [(item.name, item.value, chosen) for item, chosen in found] == [
        ("customers.name", "Ada Lovelace", True),
        ("customers.id", "7", True),
        ("customers.id", "8", True),
    ]


@pytest.mark.parametrize(
    ("text", "name", "form", "columns", "why"),
    [
        ("a,b\n1,2\n", "c.csv", "", ["z"], "c.csv has no column z"),
        ("a,b\n1,2\n", "c.csv", "", [], "none of the columns of c.csv sounds secret"),
        ("{", "c.json", "", [], "c.json is not valid JSON"),
        ("a = ", "c.toml", "", [], "c.toml is not valid TOML"),
        ("a=1", "c.env", "", ["a"], "c.env has no columns"),
        ("PK\x03\x04x", "c.1pux", "", [], "c.1pux is no export of 1Password"),
        (b"\xe9\xe9", "c.env", "", [], "c.env is not UTF-8 text"),
    ],
)
def test_faults_name_the_file_alone(text, name, form, columns, why):
    """What can't be read is said with a reason and without a word of its content."""
    with pytest.raises(ConfigFault) as fault:
        read(text, name, form, columns)
    assert fault.value.message == why


def test_a_column_that_a_database_lacks(tmp_path):
    """A name is never put into a query unasked: an unknown one is a fault, with quotes in it or not."""
    path = tmp_path / "c.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table customers (name text)")
    connection.close()
    for column in ("customers.nme", 'customers"; drop table customers; --.name', "name"):
        with pytest.raises(ConfigFault, match="has no column"):
            list(valuefiles.database(str(path), [column]))


def test_the_environment():
    """Only what looks secret, or everything."""
    environ = {"PORT": "3000", "API_TOKEN": "plum-and-quince"}
    assert [item.name for item, _ in valuefiles.environment(environ, everything=False)] == ["API_TOKEN"]
    assert [item.name for item, _ in valuefiles.environment(environ, everything=True)] == ["API_TOKEN", "PORT"]
