"""Azure's OpenAI through the real gateway: its paths, its `api-version`, and a key that goes in `api-key`."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.gateway import canary
from tests.gateway.running import ECHO, PLAIN, running
from tests.provider.running import provider

if TYPE_CHECKING:
    from pathlib import Path

FORMS = [
    "/p/azure/openai/deployments/gpt-5.2/chat/completions?api-version=2025-04-01-preview",
    "/p/azure/openai/v1/chat/completions",
]


@pytest.mark.parametrize("form", FORMS)
def test_paths_of_azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """Both path forms are inspected, restored, and forwarded as they came; the held key goes in its own header."""
    monkeypatch.setitem(os.environ, "AZURE_KEY_FOR_TESTS", "held-key")
    with provider(tmp_path / "azure", PLAIN) as azure:
        settings = (
            f'[providers.azure]\nupstream = "{azure.url}"\nformat = "openai"\nvendor = "azure-openai"\n'
            'key_env = "AZURE_KEY_FOR_TESTS"\nkey_header = "api-key"\n'
        )
        with running(tmp_path / "gate", settings) as gate:
            azure.play(ECHO)
            secret = canary.access_key()
            body = {"model": "gpt-5.2", "messages": [{"role": "user", "content": f"The key is {secret}."}]}
            headers = {"content-type": "application/json", "api-key": gate.credential("me")["x-poundlock-token"]}

            answer = gate.raw(form, json.dumps(body).encode(), headers)

            seen = azure.requests()[-1]
    assert (answer.status, seen.path) == (200, form.removeprefix("/p/azure"))
    assert json.loads(answer.body)["choices"][0]["message"]["content"] == f"It is {secret}."
    assert (seen.header("api-key"), seen.header("authorization")) == ("held-key", None)
    assert canary.found(seen.body, [secret]) == []
