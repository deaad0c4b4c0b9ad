"""Attached files: read, inspected, and sent as their text where something in them must not leave."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from poundlock import compose, config
from poundlock.adapters.documents.process import DocumentReader
from poundlock.core.detect.templates import expand
from poundlock.core.errors import ClientFault
from poundlock.core.model import Context, Destination, Principal, ScopeKey
from poundlock.core.pipeline import inspect
from poundlock.gateway.attachments import IMAGE, Attachments
from poundlock.ports import ReadDocument
from poundlock.wire import attachments, registry
from poundlock.wire.passages import Passages
from tests.adapters.test_documents import parts, pdf
from tests.gateway import canary
from tests.gateway.dialects import ANTHROPIC
from tests.gateway.running import ECHO, running

TOKEN = expand("ghp_{A-Za-z0-9:36}", "attached")
MAIL = "ada.lovelace" + "@lockworks.io"
KEY = ScopeKey(scope="ada", mint=b"m" * 32, fingerprint=b"f" * 32)
CONTEXT = Context(
    principal=Principal(human="ada"),
    destination=Destination(name="x", vendor="anthropic", endpoint="https://example.test"),
)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
WAYS = {
    "anthropic": ("/v1/messages", {"anthropic-version": "2023-06-01"}),
    "openai_chat": ("/v1/chat/completions", {}),
    "openai_responses": ("/v1/responses", {}),
    "gemini": ("/v1beta/models/gemini-2.5-pro:generateContent", {}),
}


def encoded(data):
    """Give base64."""
    return base64.b64encode(data).decode()


def part(way, data, media="application/pdf"):
    """Give a part that holds a file, and what stands for it as a text."""
    url = f"data:{media};base64,{encoded(data)}"
    image = media.startswith("image/")
    if way == "anthropic":
        source = {"type": "base64", "media_type": media, "data": encoded(data)}
        return {"type": "image" if image else "document", "source": source}
    if way == "openai_chat":
        if image:
            return {"type": "image_url", "image_url": {"url": url}}
        return {"type": "file", "file": {"filename": "a.pdf", "file_data": url}}
    if way == "openai_responses":
        if image:
            return {"type": "input_image", "image_url": url}
        return {"type": "input_file", "filename": "a.pdf", "file_data": url}
    return {"inlineData": {"mimeType": media, "data": encoded(data)}}


def request(way, *content):
    """Give a body with these parts in its one message."""
    if way == "gemini":
        return {"contents": [{"role": "user", "parts": [{"text": "see"}, *content]}]}
    holder = "input" if way == "openai_responses" else "messages"
    kind = "input_text" if way == "openai_responses" else "text"
    return {"model": "m", holder: [{"role": "user", "content": [{"type": kind, "text": "see"}, *content]}]}


def given(way, tree):
    """Give the second part of the one message."""
    if way == "gemini":
        return tree["contents"][0]["parts"][1]
    return tree["input" if way == "openai_responses" else "messages"][0]["content"][1]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    """Load the rules and policies once."""
    folder = tmp_path_factory.mktemp("state")
    return compose.snapshot(config.Settings(state=config.State(directory=str(folder))))


def passed(way, body, snapshot, reader, settings=config.Documents()):  # noqa: B008 (frozen)
    """Take a body through reading, inspection and encoding; give what is sent, and the verdict."""
    path, headers = WAYS[way]
    wire, route = registry.resolve("POST", path, headers)
    decoded = wire.decode_request(route, json.dumps(body).encode(), headers)
    read = asyncio.run(Attachments(settings, reader).read(decoded))
    verdict = inspect(read.document, CONTEXT, snapshot, KEY, 1, id="one")
    return json.loads(read.encode(verdict.texts)), verdict


class Source:
    """A reader of which the answers are given."""

    def __init__(self, text="", fault=""):
        """Answer so each time, and count."""
        self.answer = ReadDocument(text=text, fault=fault)
        self.asked = 0

    def sort(self, head):
        """Tell as the true one does."""
        return DocumentReader(seconds=1).sort(head)

    async def read(self, data):
        """Answer."""
        self.asked += 1
        return self.answer


@pytest.mark.parametrize("way", sorted(WAYS))
def test_a_file_with_findings_is_sent_as_its_text(way, snapshot):
    """The text takes the file's place, disguised; the file itself does not leave."""
    sent, verdict = passed(way, request(way, part(way, pdf("x"))), snapshot, Source(f"token {TOKEN} of {MAIL}"))
    found = json.dumps(given(way, sent))
    assert TOKEN not in found
    assert MAIL not in found
    assert encoded(pdf("x")) not in json.dumps(sent)
    assert found.count("QZ_") == 2
    text = given(way, sent)
    text = text["source"]["data"] if way == "anthropic" else text["text"]
    assert text.startswith("token QZ_GITHUB")
    assert {surrogate.value for surrogate in verdict.issued.values()} == {TOKEN, MAIL}


@pytest.mark.parametrize("way", sorted(WAYS))
def test_a_file_without_findings_is_the_same_string(way, snapshot):
    """Read, inspected, and sent as it came."""
    body = request(way, part(way, pdf("nothing of note")))
    sent, verdict = passed(way, body, snapshot, Source("nothing of note"))
    assert sent == body
    assert verdict.findings == ()


@pytest.mark.parametrize("way", sorted(WAYS))
def test_images_by_setting(way, snapshot):
    """Passed as they are, replaced by a remark, or refused."""
    body = request(way, part(way, PNG, "image/png"))
    assert passed(way, body, snapshot, Source())[0] == body
    sent, _ = passed(way, body, snapshot, Source(), config.Documents(images="remove"))
    assert given(way, sent)["text"] == IMAGE
    with pytest.raises(ClientFault, match="holds an image"):
        passed(way, body, snapshot, Source(), config.Documents(images="refuse"))


def test_what_can_not_be_read(snapshot):
    """Passed with a note on record, or refused; what was read of it counts all the same."""
    body = request("anthropic", part("anthropic", pdf("x")))
    sent, verdict = passed("anthropic", body, snapshot, Source(fault="it is encrypted"))
    assert sent == body
    assert verdict.draft.body["notes"] == ["attached file not read: it is encrypted"]
    with pytest.raises(ClientFault, match="it is encrypted"):
        passed("anthropic", body, snapshot, Source(fault="it is encrypted"), config.Documents(unread="refuse"))
    sent, _ = passed("anthropic", body, snapshot, Source(TOKEN, "it is damaged"))
    assert given("anthropic", sent)["source"]["type"] == "text"
    sent, _ = passed("anthropic", body, snapshot, Source(TOKEN), config.Documents(read=False))
    assert sent == body
    large = request("anthropic", part("anthropic", pdf("x") + bytes(1024)))
    _, verdict = passed("anthropic", large, snapshot, Source(TOKEN), config.Documents(largest=1024))
    assert verdict.draft.body["notes"] == ["attached file not read: it is larger than documents.largest"]


def test_two_files_and_a_cache_mark(snapshot):
    """Each has its own text; a provider's cache mark stays on what replaces a part."""
    marked = part("anthropic", pdf("x")) | {"cache_control": {"type": "ephemeral"}, "title": "t"}
    body = request("anthropic", part("anthropic", PNG, "image/png"), marked)
    sent, _ = passed("anthropic", body, snapshot, Source(TOKEN), config.Documents(images="remove"))
    image, document = sent["messages"][0]["content"][1:]
    assert image == {"type": "text", "text": IMAGE}
    assert (document["cache_control"], document["title"]) == ({"type": "ephemeral"}, "t")
    assert document["source"]["data"].startswith("QZ_GITHUB")


def test_a_file_is_read_once():
    """An agent sends it anew at each turn."""
    source = Source("text")
    kept = Attachments(config.Documents(), source)
    wire, route = registry.resolve("POST", *WAYS["anthropic"])
    data = json.dumps(request("anthropic", part("anthropic", pdf("x")))).encode()
    for _ in range(3):
        asyncio.run(kept.read(wire.decode_request(route, data, {})))
    assert source.asked == 1


def test_the_true_reader(snapshot):
    """A process of its own reads PDF and Office files; damage is a fault, and an endless one ends."""
    reader = DocumentReader(seconds=20)
    word = '<d xmlns:w="x"><w:p><w:t>key ' + TOKEN + "</w:t></w:p></d>"

    async def all_of_them():
        return [
            await reader.read(pdf(f"key {TOKEN}")),
            await reader.read(parts(**{"word/document.xml": word})),
            await reader.read(b"%PDF-1.7 nothing"),
        ]

    first, second, third = asyncio.run(all_of_them())
    assert f"--- page 1 ---\nkey {TOKEN}\n" in first.text
    assert second.text == f"--- word/document.xml ---\nkey {TOKEN}\n"
    assert (third.text, third.fault) == ("", "it is damaged")
    assert TOKEN not in repr(first)
    late = asyncio.run(DocumentReader(seconds=0).read(pdf("x")))
    assert late == ReadDocument(fault="it takes too long to read")


def test_the_true_reader_end_to_end(snapshot):
    """A PDF with a credential leaves as a text with a surrogate."""
    body = request("anthropic", part("anthropic", pdf(f"key {TOKEN}")))
    sent, _ = passed("anthropic", body, snapshot, DocumentReader(seconds=20))
    assert given("anthropic", sent)["source"]["data"].startswith("--- page 1 ---\nkey QZ_GITHUB")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_running_gateway_reads_files(workers, tmp_path):
    """With worker processes as they are served: the provider gets a text with a surrogate, the client its value."""
    token = canary.access_key()
    with running(tmp_path, workers=workers) as gate:
        gate.mock.play(ECHO)
        answer = gate.ask(ANTHROPIC, request("anthropic", part("anthropic", pdf(f"key {token}"))) | {"max_tokens": 9})
        assert answer.status == 200
        assert token in answer.body.decode()
        sent = gate.mock.requests()[-1].json()
        assert given("anthropic", sent)["source"]["data"].startswith("--- page 1 ---\nkey QZ_AWS")


def test_a_conversation_that_comes_again_is_asked_once():
    """Passages without files are remembered as such; those with files give them each time."""
    wire, route = registry.resolve("POST", *WAYS["anthropic"])
    passages = Passages(1 << 22)
    turns = []
    for number in range(40):
        content = [{"type": "text", "text": f"turn {number} " + "word " * 300}]
        if number == 7:
            content.append(part("anthropic", pdf("x")))
        turns += [{"role": "user", "content": content}, {"role": "assistant", "content": "well"}]
        data = json.dumps({"model": "m", "messages": [*turns, {"role": "user", "content": "?"}]}).encode()
        body = wire.decode_request(route, data, {}, passages.shelf("ada"))
        found = attachments.find(body.document)
        assert [body.document.segments[each.segment].path[1] for each in found] == [14] * (number >= 7)
        if number == 6:
            answers = {passage.answers.get(attachments.ASKED) for _, passage in body.document.passages}
            assert answers == {False}
