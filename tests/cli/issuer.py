"""An OpenID provider for tests: metadata, keys and the device grant, on a port of this machine."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from joserfc import jws
from joserfc.jwk import RSAKey

if TYPE_CHECKING:
    from collections.abc import Iterator


class Issuer:
    """A running provider. `answers` are what the token endpoint gives in turn; then an ID token."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048)
        self.kid = "one"
        self.answers: list[dict[str, Any]] = []
        self.said: dict[str, Any] = {"email": "ada@corp.example", "sub": "0a1b"}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.url = ""
        self.broken = ""

    def token(self, **changed: Any) -> str:
        """Give a token that this provider signed."""
        said = {"iss": self.url, "iat": int(time.time()), "exp": int(time.time()) + 300, **changed}
        header = {"alg": "RS256", "typ": "JWT", "kid": self.kid}
        return jws.serialize_compact(header, json.dumps(said).encode(), self.key, algorithms=["RS256"])

    def answer(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Answer one request."""
        self.asked.append((path, form))
        if path == self.broken:
            return 500, {}
        if path == "/.well-known/openid-configuration":
            doors = {"jwks_uri": "/keys", "token_endpoint": "/token", "device_authorization_endpoint": "/device"}
            return 200, {"issuer": self.url, **{name: self.url + door for name, door in doors.items()}}
        if path == "/keys":
            return 200, {"keys": [{**self.key.as_dict(private=False), "kid": self.kid, "use": "sig"}]}
        if path == "/device":
            where = f"{self.url}/activate"
            return 200, {"device_code": "d", "user_code": "ABCD-EFGH", "verification_uri": where, "interval": 0.01}
        if path == "/token":
            if self.answers:
                return 400, self.answers.pop(0)
            return 200, {"id_token": self.token(aud=form["client_id"], **self.said)}
        return 404, {}


@contextlib.contextmanager
def issuer() -> Iterator[Issuer]:
    """Run a provider."""
    made = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            self._answer(dict(parse_qsl(body)))

        def _answer(self, form: dict[str, str]) -> None:
            status, tree = made.answer(self.path, form)
            data = json.dumps(tree).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
