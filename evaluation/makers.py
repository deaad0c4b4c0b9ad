"""Structured secrets with true check digits: tokens with CRCs, JWTs, PEM, PuTTY, age, PGP, wallets, mnemonics.

Every maker takes the seeded generator and returns text. Must never return a key that opens anything: numbers inside
keys are random, not mathematically related, and only the encoding around them is right.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.samples import sample

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

_B62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_B58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_WORDS = (Path(__file__).parent / "bip39.txt").read_text().split()  # the English table of BIP-0039


def crc_token(rng: random.Random, prefix: str, size: str = "30") -> str:
    """Draw a GitHub or npm style token: random base62 and the base62 CRC-32 of it, six long."""
    body = sample(f"[A-Za-z0-9]{{{size}}}", rng)
    value, tail = zlib.crc32(body.encode()), ""
    for _ in range(6):
        value, digit = divmod(value, 62)
        tail = _B62[digit] + tail
    return prefix + body + tail


def crc_hex_token(rng: random.Random, prefix: str) -> str:
    """Draw a Grafana service-account token: 32 random symbols and the hex CRC-32 of what stands before."""
    head = prefix + sample("[A-Za-z0-9]{32}", rng)
    return f"{head}_{zlib.crc32(head.encode()):08x}"


def _b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jwt(rng: random.Random, flavour: str = "") -> str:
    """Draw a signed JWT with a plausible header and claims."""
    alg = rng.choice(["HS256", "RS256", "ES256", "HS512"])
    head: dict[str, object] = {"alg": alg, "typ": "JWT"}
    if rng.random() < 0.4:
        head["kid"] = sample("\\h{16}", rng)
    now = rng.randint(1_600_000_000, 1_790_000_000)
    claims: dict[str, object] = {"sub": sample("\\d{6,10}", rng), "iat": now, "exp": now + 3600}
    if flavour == "supabase":
        head, alg = {"alg": "HS256", "typ": "JWT"}, "HS256"
        claims = {"iss": "supabase", "ref": sample("[a-z]{20}", rng), "role": "service_role", "iat": now}
    elif flavour == "k8s":
        head, alg = {"alg": "RS256", "kid": sample("[A-Za-z0-9_-]{43}", rng)}, "RS256"
        claims = {"iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:default:builder"}
    elif rng.random() < 0.6:
        claims["scope"] = rng.choice(["read write", "openid profile", "admin", "orders:read"])
        claims["iss"] = "https://id.example.com/"
    size = {"HS256": 32, "ES256": 64, "HS512": 64, "RS256": 256}[alg]
    parts = [_b64url(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims)]
    return ".".join([*parts, _b64url(rng.randbytes(size))])


def _der(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + body


def _int(rng: random.Random, size: int) -> bytes:
    return _der(2, b"\x00" + bytes([rng.randint(128, 255)]) + rng.randbytes(size - 1))


def _rsa(rng: random.Random, size: int) -> bytes:
    half = size // 2
    parts = [_int(rng, size), b"\x02\x03\x01\x00\x01", _int(rng, size), *(_int(rng, half) for _ in range(5))]
    return _der(0x30, b"\x02\x01\x00" + b"".join(parts))


def _ec(rng: random.Random) -> bytes:
    oid = bytes.fromhex("06082a8648ce3d030107")
    point = _der(0xA1, _der(3, b"\x00\x04" + rng.randbytes(64)))
    return _der(0x30, b"\x02\x01\x01" + _der(4, rng.randbytes(32)) + _der(0xA0, oid) + point)


def _pkcs8(rng: random.Random) -> bytes:
    which = rng.randrange(3)
    if which == 0:
        return _der(0x30, b"\x02\x01\x00" + bytes.fromhex("300506032b6570") + _der(4, _der(4, rng.randbytes(32))))
    if which == 1:
        algorithm = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")
        return _der(0x30, b"\x02\x01\x00" + algorithm + _der(4, _ec(rng)))
    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
    return _der(0x30, b"\x02\x01\x00" + algorithm + _der(4, _rsa(rng, rng.choice([128, 256, 256]))))


def _openssh(rng: random.Random) -> bytes:
    def field(data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + data

    public, check = rng.randbytes(32), rng.randbytes(4)
    name = field(b"ssh-ed25519")
    private = check + check + name + field(public) + field(rng.randbytes(32) + public) + field(b"dev@laptop")
    private += bytes(range(1, 9 - len(private) % 8)) if len(private) % 8 else b""
    head = b"openssh-key-v1\x00" + field(b"none") + field(b"none") + field(b"") + b"\x00\x00\x00\x01"
    return head + field(name + field(public)) + field(private)


def fold(text: str, width: int = 64) -> str:
    """Fold text to lines of `width`."""
    return "\n".join(text[at : at + width] for at in range(0, len(text), width))


def armour(title: str, body: str, head: str = "") -> str:
    """Put a PEM frame around a folded body."""
    dashes = "-" * 5
    return f"{dashes}BEGIN {title}{dashes}\n{head}{body}\n{dashes}END {title}{dashes}"


def pem(rng: random.Random, which: str) -> str:
    """Draw a PEM private key: rsa, ec, pkcs8, encrypted, dsa, openssh, rsa-encrypted."""
    tail = " PRIVATE KEY"
    if which == "openssh":
        return armour("OPENSSH" + tail, fold(base64.b64encode(_openssh(rng)).decode(), 70))
    if which == "rsa-encrypted":
        head = f"Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{sample('[0-9A-F]{32}', rng)}\n\n"
        return armour("RSA" + tail, fold(base64.b64encode(rng.randbytes(608)).decode()), head)
    if which == "encrypted":
        kdf = bytes.fromhex("301b06092a864886f70d010503300e0408") + rng.randbytes(8) + bytes.fromhex("02020800")
        return armour(
            "ENCRYPTED" + tail, fold(base64.b64encode(_der(0x30, kdf + _der(4, rng.randbytes(640)))).decode())
        )
    if which == "dsa":
        numbers = b"".join(_int(rng, size) for size in (128, 20, 128, 128, 20))
        body = _der(0x30, b"\x02\x01\x00" + numbers)
        return armour("DSA" + tail, fold(base64.b64encode(body).decode()))
    if which == "rsa":
        return armour("RSA" + tail, fold(base64.b64encode(_rsa(rng, rng.choice([128, 256, 256]))).decode()))
    if which == "ec":
        return armour("EC" + tail, fold(base64.b64encode(_ec(rng)).decode()))
    return armour("PRIVATE KEY", fold(base64.b64encode(_pkcs8(rng)).decode()))


def ssh2(rng: random.Random) -> str:
    """Draw an ssh.com private key (RFC 4716 frame)."""
    body = fold(base64.b64encode(rng.randbytes(520)).decode(), 70)
    title = "SSH2 ENCRYPTED " + "PRIVATE KEY"
    return f'---- BEGIN {title} ----\nComment: "dsa-1024"\n{body}\n---- END {title} ----'


def putty(rng: random.Random, version: str) -> str:
    """Draw a PuTTY private key file, version 2 or 3."""
    public = fold(base64.b64encode(b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00 " + rng.randbytes(32)).decode())
    private = fold(base64.b64encode(b"\x00\x00\x00 " + rng.randbytes(32)).decode())
    mac = sample("\\h{64}" if version == "3" else "\\h{40}", rng)
    return (
        f"PuTTY-User-Key-File-{version}: ssh-ed25519\nEncryption: none\nComment: dev-key\n"
        f"Public-Lines: {public.count(chr(10)) + 1}\n{public}\n"
        f"Private-Lines: {private.count(chr(10)) + 1}\n{private}\nPrivate-MAC: {mac}"
    )


def pgp(rng: random.Random) -> str:
    """Draw an armoured OpenPGP secret key with its CRC-24 (RFC 4880, 6.1)."""
    data = bytes([0x95, 0x03, 0x98, 0x04]) + rng.randbytes(920)
    crc = 0xB704CE
    for octet in data:
        crc ^= octet << 16
        for _ in range(8):
            crc = (crc << 1) ^ (0x1864CFB if crc & 0x800000 else 0)
    tail = base64.b64encode((crc & 0xFFFFFF).to_bytes(3, "big")).decode()
    body = fold(base64.b64encode(data).decode()) + f"\n={tail}"
    return armour("PGP PRIVATE " + "KEY BLOCK", body, rng.choice(["", "Version: GnuPG v2\n", ""]) + "\n")


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    return check


def bech32(rng: random.Random, prefix: str, size: int = 32) -> str:
    """Draw a bech32 string (BIP-0173) of `size` random bytes behind `prefix`."""
    number = int.from_bytes(rng.randbytes(size), "big")
    count = -(-size * 8 // 5)
    number <<= count * 5 - size * 8
    data = [number >> 5 * (count - 1 - at) & 31 for at in range(count)]
    low = prefix.lower()
    high = [ord(char) >> 5 for char in low] + [0] + [ord(char) & 31 for char in low]
    check = _polymod([*high, *data, 0, 0, 0, 0, 0, 0]) ^ 1
    data += [check >> 5 * (5 - at) & 31 for at in range(6)]
    return low + "1" + "".join(_BECH[value] for value in data)


def base58check(payload: bytes) -> str:
    """Return payload with its double SHA-256 check in base58."""
    data = payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    number, out = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        out = _B58[digit] + out
    return "1" * (len(data) - len(data.lstrip(b"\x00"))) + out


def mnemonic(rng: random.Random, words: int = 12) -> str:
    """Draw a BIP-0039 phrase with its check bits."""
    size = words * 4 // 3
    entropy = rng.randbytes(size)
    bits = int.from_bytes(entropy, "big") << size // 4 | hashlib.sha256(entropy).digest()[0] >> 8 - size // 4
    return " ".join(_WORDS[bits >> 11 * (words - 1 - at) & 2047] for at in range(words))


MAKERS: dict[str, Callable[[random.Random, list[str]], str]] = {
    "crc": lambda rng, args: crc_token(rng, *args),
    "crchex": lambda rng, args: crc_hex_token(rng, *args),
    "jwt": lambda rng, args: jwt(rng, *args),
    "pem": lambda rng, args: pem(rng, *args),
    "ssh2": lambda rng, _: ssh2(rng),
    "putty": lambda rng, args: putty(rng, *args),
    "pgp": lambda rng, _: pgp(rng),
    "age": lambda rng, _: bech32(rng, "AGE-SECRET-KEY-").upper(),
    "agepq": lambda rng, _: bech32(rng, "AGE-SECRET-KEY-PQ-").upper(),
    "nsec": lambda rng, _: bech32(rng, "nsec"),
    "wif": lambda rng, _: base58check(b"\x80" + rng.randbytes(32) + b"\x01"),
    "wifu": lambda rng, _: base58check(b"\x80" + rng.randbytes(32)),
    "xprv": lambda rng, _: base58check(
        bytes.fromhex("0488ade4") + bytes(9) + rng.randbytes(32) + b"\x00" + rng.randbytes(32)
    ),
    "mnemonic": lambda rng, args: mnemonic(rng, int(args[0])),
    "basic": lambda rng, _: base64.b64encode(
        f"{sample('[a-z]{4,8}', rng)}:{sample('[A-Za-z0-9!_]{10,20}', rng)}".encode()
    ).decode(),
    "b64": lambda rng, args: base64.b64encode(rng.randbytes(int(args[0]))).decode(),
    "b64url": lambda rng, args: _b64url(rng.randbytes(int(args[0]))),
    "b64text": lambda rng, args: base64.b64encode(sample(",".join(args), rng).encode()).decode(),
    "bytes": lambda rng, args: "[" + ",".join(str(octet) for octet in rng.randbytes(int(args[0]))) + "]",
}


def make(template: str, rng: random.Random) -> str:
    """Draw from a pattern, or from a maker when the template is `@name(arguments)`; `{@name(...)}` may stand inside."""
    if template.startswith("@"):
        name, _, rest = template[1:].partition("(")
        head, _, tail = rest.partition(")")
        return MAKERS[name](rng, [part for part in head.split(",") if part]) + (make(tail, rng) if tail else "")
    before, at, after = template.partition("<@")
    if at:
        inside, _, rest = after.partition(">")
        return (sample(before, rng) if before else "") + make("@" + inside, rng) + (make(rest, rng) if rest else "")
    return sample(template, rng)
