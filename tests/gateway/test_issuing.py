"""The token endpoint: rights are handed on and never widened, workloads get tasks, and every refusal is on record."""

import json
from urllib.parse import urlencode

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from poundlock.adapters import tokens
from poundlock.adapters.credentials import digest, fresh
from poundlock.core.identity import tasks
from poundlock.core.identity.workloads import Workload
from poundlock.gateway.http import Request
from poundlock.gateway.issuing import EXCHANGE, KEYS, RENEW, TOKEN, Issuing, Wicket
from poundlock.gateway.vouching import Vouchers
from tests.gateway.callers import ASKED, ISSUER, NOW, SECOND, Holder, place

ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
HERE = f"http://127.0.0.1:8787{TOKEN}"
GITHUB = "https://token.actions.githubusercontent.com"
ROW = Workload(
    name="orders",
    issuer=GITHUB,
    audience="poundlock",
    claims={"repository": "northwind/orders"},
    tool="ci",
    scopes=("send:openai", "mcp"),
    max_tier="internal",
    minutes=30,
)


class Answer:
    """What came back."""

    def __init__(self):
        self.status = 0
        self.body = b""
        self.started = False

    async def start(self, status, headers):
        """Keep the status."""
        self.status, self.headers, self.started = status, dict(headers), True

    async def send(self, chunk):
        """Keep the body."""
        self.body += chunk

    async def end(self):
        """Do nothing."""

    async def abort(self):
        """Do nothing."""


class Vouched:
    """An issuer with one key, which asks for its keys are counted of."""

    def __init__(self):
        self.key = RSAKey.generate_key(2048)
        self.kid = "one"
        self.asked = []

    async def keys(self, issuer, place="", *, missing=False):
        """Give its key set."""
        self.asked.append((issuer, missing))
        return {"keys": [{**self.key.as_dict(private=False), "kid": "one", "use": "sig", "alg": "RS256"}]}

    def token(self, *, header=None, key=None, algorithm="RS256", **changed):
        """Give an ID token as GitHub Actions makes them."""
        said = {
            "iss": GITHUB,
            "aud": "poundlock",
            "sub": "repo:northwind/orders:ref:refs/heads/main",
            "repository": "northwind/orders",
            "exp": NOW // SECOND + 300,
            "iat": NOW // SECOND,
            **changed,
        }
        head = {"alg": algorithm, "typ": "JWT", "kid": self.kid, **(header or {})}
        return jws.serialize_compact(head, json.dumps(said).encode(), key or self.key, algorithms=[algorithm])


def desk(at, vouched=None, rows=(ROW,)):
    """Give the token endpoint on a register."""
    vouchers = Vouchers(rows, vouched or Vouched(), unchecked=tokens.unchecked, issued=tokens.issued)
    return Issuing(
        callers=at.callers,
        ledger=at.known,
        vouching=vouchers,
        signatures=lambda: at.tokens,
        fresh=fresh,
        digest=digest,
        clock=at.clock,
        issuer=ISSUER,
    )


async def ask(issuing, form, proof="", **more):
    """Send a form, and give status and answer."""
    headers = {"host": "127.0.0.1:8787", "content-type": "application/x-www-form-urlencoded"}
    headers |= {"dpop": proof} if proof else {}
    given = {
        "method": "POST",
        "path": TOKEN,
        "raw_path": TOKEN,
        "header_map": headers,
        "body": urlencode(form).encode(),
    }
    answer = Answer()
    await issuing(Request(**{**given, **more}), answer)
    return answer.status, json.loads(answer.body)


async def narrow(at, token, proof="", **form):
    """Ask for a sub-agent's token."""
    return await ask(desk(at), {"grant_type": EXCHANGE, "subject_token": token, **form}, proof)


async def test_a_task_hands_on_less(tmp_path):
    """RFC 8693: the sub-agent's credential is a task of its own, of the same human, with what was asked for."""
    async with place(tmp_path) as at:
        await at.tool()
        token, task = await at.task()
        status, said = await narrow(at, token, scope="send:openai", max_tier="internal", expires_in="600")
        assert status == 200
        assert (said["token_type"], said["scope"], said["expires_in"]) == ("Bearer", "send:openai", 600)
        principal = await at.callers.authenticate(said["access_token"], {}, "10.0.0.1", ASKED)
        assert (principal.human, principal.task, principal.scopes) == ("bob", said["task"], ("send:openai",))
        assert principal.reach.max_tier == "internal"
        assert principal.chain == ("claude-code", "claude-code")
        (row,) = await at.store.find(said["task"])
        assert (row.body["event"], row.body["parent"], row.body["owner"]) == ("exchanged", task.id, "ada")


@pytest.mark.parametrize(
    "form",
    [
        {"scope": "lease"},
        {"scope": "send mcp lease:postgres"},
        {"max_tier": "secret"},
        {"expires_in": "999999999"},
        {"expires_in": "-1"},
        {"scope": "SEND"},
        {"actor": "nobody-knows-it"},
    ],
)
async def test_a_widened_exchange_is_refused_and_on_record(tmp_path, form):
    """In the words of OAuth; nothing is opened."""
    async with place(tmp_path) as at:
        await at.tool()
        token, _ = await at.task()
        status, said = await narrow(at, token, **form)
        assert (status, said["error"]) == (400, "invalid_grant")
        assert said["error_description"].startswith("Poundlock: ")
        assert len(at.known.ask.newest(10)) == 1


async def test_a_narrow_tasks_child_can_not_be_wider(tmp_path):
    """What was given up does not come back a generation later."""
    async with place(tmp_path) as at:
        await at.tool()
        token, _ = await at.task()
        _, first = await narrow(at, token, scope="send:openai", max_tier="internal")
        for form in ({"scope": "send"}, {"scope": "mcp"}, {"max_tier": "restricted"}):
            status, _ = await narrow(at, first["access_token"], **form)
            assert status == 400
        status, second = await narrow(at, first["access_token"])
        assert (status, second["scope"]) == (200, "send:openai")


@pytest.mark.parametrize("token", ["", "pl_unknown", "a.b.c"])
async def test_who_has_no_task_hands_on_nothing(tmp_path, token):
    """No token, one that nobody knows, and one that is none."""
    async with place(tmp_path) as at:
        await at.tool()
        status, said = await narrow(at, token)
        assert (status, said["error"]) == (400, "invalid_grant")


async def test_a_persons_own_credential_is_no_task(tmp_path):
    """It does not end by itself, and so it hands on nothing."""
    async with place(tmp_path) as at:
        status, _ = await narrow(at, at.credentials.add(name="me", human="ada"))
        assert status == 400


async def test_a_revoked_task_hands_on_nothing(tmp_path):
    """And the refusal says why, on record with the task."""
    async with place(tmp_path) as at:
        await at.tool()
        token, task = await at.task()
        await at.known.end_task(task.id, reason="stolen")
        status, said = await narrow(at, token)
        assert (status, "stolen" in said["error_description"]) == (400, True)
        assert [row.body["event"] for row in await at.store.find(task.id)] == ["issued", "ended", "refused"]


async def test_a_child_can_be_bound_to_a_key(tmp_path):
    """With a proof of it, or by its thumbprint; then only a token with a proof lets it in."""
    async with place(tmp_path) as at:
        await at.tool()
        token, _ = await at.task()
        holder = Holder()
        proof = holder.proof("", htu=HERE, ath=None)
        status, said = await narrow(at, token, proof)
        assert (status, said["token_type"]) == (200, "DPoP")
        signed = said["access_token"]
        principal = await at.callers.authenticate(signed, {"dpop": holder.proof(signed)}, "10.0.0.1", ASKED)
        assert principal.task == said["task"]
        status, again = await narrow(at, token, proof)
        assert (status, "used before" in again["error_description"]) == (400, True)
        other = Holder()
        _, third = await narrow(at, token, dpop_jkt=other.thumbprint)
        signed = third["access_token"]
        assert await at.callers.authenticate(signed, {"dpop": other.proof(signed)}, "10.0.0.1", ASKED)


async def test_what_hangs_on_a_bound_task_is_bound(tmp_path):
    """To its own key, or to another one that is named; and the parent's must be proven."""
    async with place(tmp_path) as at:
        await at.tool()
        holder, own = Holder(), Holder()
        _, task = await at.task(key=holder.thumbprint)
        signed = at.signed(task)
        status, _ = await narrow(at, signed)
        assert status == 400
        status, said = await narrow(at, signed, own.proof("", htu=HERE))
        assert (status, "another key" in said["error_description"]) == (400, True)
        status, said = await narrow(at, signed, holder.proof("", htu=HERE), dpop_jkt=own.thumbprint)
        assert (status, said["token_type"]) == (200, "DPoP")
        child = said["access_token"]
        assert await at.callers.authenticate(child, {"dpop": own.proof(child)}, "10.0.0.1", ASKED)
        status, said = await narrow(at, signed, holder.proof("", htu=HERE))
        assert (status, said["token_type"]) == (200, "DPoP")


async def test_a_bound_task_is_renewed_with_its_next_token(tmp_path):
    """As long as it stands; the old token ends by itself."""
    async with place(tmp_path) as at:
        await at.tool()
        holder = Holder()
        _, task = await at.task(key=holder.thumbprint)
        first = at.signed(task)
        at.clock.time += tasks.LIFE - SECOND
        now = at.clock.time
        form = {"grant_type": RENEW, "subject_token": first}
        status, said = await ask(desk(at), form, holder.proof("", htu=HERE, now=now))
        assert (status, said["task"], said["token_type"]) == (200, task.id, "DPoP")
        at.clock.time += 10 * SECOND
        now = at.clock.time
        second = said["access_token"]
        assert await at.callers.authenticate(second, {"dpop": holder.proof(second, now=now)}, "", ASKED)
        status, said = await ask(desk(at), form, holder.proof("", htu=HERE, now=now))
        assert (status, "time is over" in said["error_description"]) == (400, True)


async def test_an_opaque_credential_is_renewed_as_it_is(tmp_path):
    """Ten minutes at a time."""
    async with place(tmp_path) as at:
        await at.tool()
        token, _ = await at.task()
        at.clock.time += tasks.LIFE - SECOND
        status, said = await ask(desk(at), {"grant_type": RENEW, "subject_token": token})
        assert (status, said["access_token"], said["expires_in"]) == (200, token, 600)
        at.clock.time += tasks.LIFE - SECOND
        assert await at.callers.authenticate(token, {}, "", ASKED)


async def vouched(at, token, vouched_, **form):
    """Ask for a workload's task."""
    given = {"grant_type": EXCHANGE, "subject_token_type": ID_TOKEN, "subject_token": token, **form}
    return await ask(desk(at, vouched_), given)


async def test_a_ci_job_gets_a_task_of_its_own(tmp_path):
    """With its entry's scopes, for the owner of the tool, under the name that its issuer gave."""
    async with place(tmp_path) as at:
        await at.tool("ci", sort="ci", owner="eve")
        issuer = Vouched()
        status, said = await vouched(at, issuer.token(), issuer)
        assert (status, said["scope"]) == (200, "send:openai mcp")
        principal = await at.callers.authenticate(said["access_token"], {}, "10.0.0.1", ASKED)
        assert (principal.human, principal.tool, principal.tool_claimed) == ("eve", "ci", False)
        assert (principal.reach.max_tier, principal.repository) == ("internal", "northwind/orders")
        (row,) = await at.store.find(said["task"])
        assert row.body["subject"] == "repo:northwind/orders:ref:refs/heads/main"
        assert row.body["known"] == "workload orders"
        status, said = await vouched(at, issuer.token(), issuer, scope="send:openai")
        assert (status, said["scope"]) == (200, "send:openai")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"aud": "sigstore"}, "somebody else"),
        ({"repository": "northwind/fork"}, "none that is configured"),
        ({"iss": "https://elsewhere.example"}, "Nobody here trusts"),
        ({"exp": NOW // SECOND - 300}, "expired"),
        ({"nbf": NOW // SECOND + 300}, "not valid yet"),
    ],
)
async def test_a_job_that_is_not_configured(tmp_path, changed, said):
    """Audience, repository, issuer and time, each signed correctly."""
    async with place(tmp_path) as at:
        await at.tool("ci", sort="ci")
        issuer = Vouched()
        status, answer = await vouched(at, issuer.token(**changed), issuer)
        assert (status, said in answer["error_description"]) == (400, True)


async def test_a_jobs_token_that_its_issuer_did_not_sign(tmp_path):
    """Another key under the same id, a key that nobody knows, a MAC, and nothing at all."""
    async with place(tmp_path) as at:
        await at.tool("ci", sort="ci")
        issuer = Vouched()
        other = RSAKey.generate_key(2048)
        status, said = await vouched(at, issuer.token(key=other), issuer)
        assert (status, "signature is wrong" in said["error_description"]) == (400, True)
        status, said = await vouched(at, issuer.token(header={"kid": "two"}), issuer)
        assert (status, "none of its issuer's" in said["error_description"]) == (400, True)
        assert issuer.asked[-1] == (GITHUB, True)
        elliptic = ECKey.generate_key("P-256")
        status, said = await vouched(at, issuer.token(key=elliptic, algorithm="ES256"), issuer)
        assert (status, "not accepted" in said["error_description"]) == (400, True)
        none = ".".join([*issuer.token().split(".")[:2], ""])
        status, said = await vouched(at, none, issuer)
        assert status == 400


async def test_a_workload_asks_for_no_more_than_its_entry(tmp_path):
    """And its tool must be in the register, and stand."""
    async with place(tmp_path) as at:
        issuer = Vouched()
        status, said = await vouched(at, issuer.token(), issuer)
        assert (status, "not in the register" in said["error_description"]) == (400, True)
        await at.tool("ci", sort="ci")
        status, _ = await vouched(at, issuer.token(), issuer, scope="lease")
        assert status == 400
        await at.known.end_tool("ci", reason="stolen")
        status, said = await vouched(at, issuer.token(), issuer)
        assert (status, "suspended" in said["error_description"]) == (400, True)


@pytest.mark.parametrize(
    ("more", "status", "error"),
    [
        ({"method": "GET"}, 405, "invalid_request"),
        ({"body": b"a=1&a=2"}, 400, "invalid_grant"),
        ({"body": b"no form"}, 400, "invalid_grant"),
        ({"body": b"\xff=1"}, 400, "invalid_grant"),
        ({"body": b"a=" + b"x" * 70_000}, 400, "invalid_grant"),
        ({"header_map": {"content-type": "application/json"}}, 400, "invalid_grant"),
        ({"body": b"grant_type=password&username=a"}, 400, "unsupported_grant_type"),
        ({"body": urlencode({"grant_type": EXCHANGE, "subject_token_type": "x"}).encode()}, 400, "invalid_request"),
    ],
)
async def test_what_is_no_request(tmp_path, more, status, error):
    """A fault in OAuth's words, never an error of our own."""
    async with place(tmp_path) as at:
        found, said = await ask(desk(at), {"grant_type": EXCHANGE}, **more)
        assert (found, said["error"]) == (status, error)


async def test_the_public_key_is_there_for_others(tmp_path):
    """And the private one is not."""
    async with place(tmp_path) as at:
        status, said = await ask(desk(at), {}, method="GET", path=KEYS)
        assert status == 200
        (key,) = said["keys"]
        assert (key["kty"], key["crv"], key["kid"], "d" in key) == ("OKP", "Ed25519", at.tokens.id, False)


async def test_every_other_path_goes_down_the_line(tmp_path):
    """And so does the same path under a provider's name."""
    async with place(tmp_path) as at:
        seen = []

        async def line(request, _respond):
            seen.append((request.path, request.provider))

        wicket = Wicket(desk(at), line)
        answer = Answer()
        for path, provider in ((TOKEN, "openai"), ("/v1/messages", None), ("/oauth/other", None)):
            await wicket(Request(method="POST", path=path, raw_path=path, provider=provider), answer)
        await wicket(Request(method="GET", path=KEYS, raw_path=KEYS), answer)
        assert seen == [(TOKEN, "openai"), ("/v1/messages", None), ("/oauth/other", None)]
        assert answer.status == 200
