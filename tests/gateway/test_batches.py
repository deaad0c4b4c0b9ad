"""A message batch through the real gateway, by Anthropic's own SDK: sent disguised, its results fetched later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anthropic import Anthropic

from tests.gateway import canary
from tests.gateway.running import ECHO, running

if TYPE_CHECKING:
    from pathlib import Path


def test_results_of_a_batch_come_home(tmp_path: Path) -> None:
    """What a batch was issued is restored in its results, also after a restart; the provider saw none of it."""
    with running(tmp_path) as gate:
        gate.mock.play(ECHO)
        secrets = [canary.access_key(), canary.access_key()]
        rows = [
            {
                "custom_id": f"row-{number}",
                "params": {
                    "model": "claude-sonnet-4-6",
                    "max_tokens": 64,
                    "messages": [{"role": "user", "content": f"The key is {secret}."}],
                },
            }
            for number, secret in enumerate(secrets)
        ]
        with Anthropic(base_url=gate.url, api_key="test-key") as client:
            batch = client.messages.batches.create(requests=rows)  # type: ignore[arg-type]
        gate.restart()
        with Anthropic(base_url=gate.url, api_key="test-key") as client:
            results = list(client.messages.batches.results(batch.id))

        said = {each.custom_id: each.result.message.content[0].text for each in results}  # type: ignore[union-attr]
        assert said == {f"row-{number}": f"It is {secret}." for number, secret in enumerate(secrets)}
        paths = [seen.path for seen in gate.mock.requests()]
        assert paths[-1] == f"/v1/messages/batches/{batch.id}/results"
