"""Requests for completions: a prompt, and for a gap in a file what follows it. Nothing else in them is text.

This module must never judge a text, and never let a prompt through that is made of token numbers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from poundlock.core.errors import ClientFault
from poundlock.core.model import Document
from poundlock.wire import body
from poundlock.wire.body import Gatherer, JsonBody, Voice, words

if TYPE_CHECKING:
    from collections.abc import Mapping

SESSION_HEADERS = ("session_id", "x-session-id", "session-id", "conversation_id")
NAMES = body.COMMON_NAMES | words(
    """
    suffix min_tokens best_of echo logprobs logit_bias n presence_penalty frequency_penalty stream_options
    include_usage random_seed repetition_penalty
    """
)
VALUES = body.COMMON_VALUES
_TEXTS = ("prompt", "suffix")
_TOKEN = re.compile(r"[0-9]{1,7}")
# How models are told where a gap in a file is (the model cards of StarCoder, Code Llama, Qwen Coder, DeepSeek Coder).
_GAP = re.compile(r"<\|?fim[_\u2581-](?:prefix|begin|suffix|hole|middle|end)\|?>|<PRE> |<\uff5cfim\u2581|\[SUFFIX\]")


def read(operation: str, data: bytes, headers: Mapping[str, str]) -> JsonBody:
    """Decode the body of a request. Raises: `ClientFault`, also for a prompt of token numbers."""
    tree, notes = body.decode_object(data)
    gather = Gatherer(NAMES, VALUES)
    prompt = tree.get("prompt")
    prompts = prompt if isinstance(prompt, list) else [prompt]
    if any(isinstance(item, (int, list)) and not isinstance(item, bool) for item in prompts):
        raise ClientFault(
            "The prompt is made of token numbers, which can't be inspected.", advice="Send the prompt as text."
        )
    # A gap in a file is filled by an editor: nobody typed what stands around it.
    gap = operation == "completions.fim" or bool(tree.get("suffix"))
    gap = gap or any(isinstance(item, str) and _GAP.search(item) for item in prompts)
    voice = Voice("user", "file", "file") if gap else Voice("user", "prose", "typed")
    for name in _TEXTS:
        if name in tree:
            gather.tree(tree, name, (name,), voice)
    done = {*_TEXTS}
    bias = tree.get("logit_bias")
    if isinstance(bias, dict) and all(_TOKEN.fullmatch(token) for token in bias):
        for token in bias:
            gather.tree(bias, token, ("logit_bias", token), voice)
        done.add("logit_bias")
    model = tree.get("model")
    if isinstance(model, str) and body.is_model(model):
        done.add("model")
    gather.members(tree, (), Voice("system", "prose", "tool"), done)
    document = Document(
        provider="openai",
        operation=operation,
        model=model if isinstance(model, str) else "",
        conversation=_conversation(headers, prompts),
        stream=tree.get("stream") is True,
        notes=notes,
        segments=(),
    )
    return gather.body(tree, document)


def _conversation(headers: Mapping[str, str], prompts: list[Any]) -> str:
    """Name the conversation: by the client's session, else by the prompt, which is all of it."""
    for name in SESSION_HEADERS:
        if headers.get(name):
            return body.digest("session", headers[name])
    return body.digest("beginning", *(item for item in prompts if isinstance(item, str)))
