"""Writes ordinary coding prompts: nothing in them is sensitive, so every finding is a false alarm.

Must never hold anything that could count as personal, secret or internal.
"""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING

from evaluation.marks import Page
from evaluation.secret_set import Document, allowed, finish
from evaluation.templating import Scene, load

if TYPE_CHECKING:
    from collections.abc import Iterator

PER_TEMPLATE = 24
_POOLS = {
    "lang": "Python|Go|Rust|TypeScript|Java|Kotlin|C#|Ruby|C++|Elixir|PHP|Swift",
    "lang2": "Python|Go|Rust|TypeScript|Java|Kotlin|C#|Ruby|Zig|Scala",
    "topic": "rate limiting|a bounded queue|topological sorting|pagination|optimistic locking|a trie|retries with backoff|feature flags|"
    "idempotent webhooks|a ring buffer|consistent hashing|an LRU cache|event sourcing|binary search|undo and redo|full-text search|"
    "time zones|streaming CSV|diffing two trees|graceful shutdown|connection pooling|schema migrations|tokenising a small language",
    "goal": "it has no side effects|it streams its input|errors are returned as values|it is easier to test|it uses dataclasses|"
    "it no longer blocks the event loop|it handles empty input|the two loops become one|it skips duplicates",
    "thing": "web service|CLI tool|batch job|mobile app|message consumer|browser extension|desktop app|game server|data pipeline|GraphQL API",
    "tried": "clearing the cache|upgrading the compiler|a fresh clone|running it in a container|downgrading one package|more memory",
    "testlib": "pytest|JUnit 5|Vitest|RSpec|go test|xUnit|Jest|Catch2",
    "dbms": "PostgreSQL 16|MySQL 8|SQLite|SQL Server|DuckDB|ClickHouse",
    "a": "REST|threads|polling|a monolith|Redis streams|optimistic locks|tabs|inheritance|a mutex|SSE|Avro|Terraform",
    "b": "gRPC|coroutines|webhooks|microservices|Kafka|pessimistic locks|spaces|composition|a channel|WebSockets|Protobuf|Pulumi",
    "match": "ISO dates|hex colours|semantic versions|quoted strings with escapes|Markdown headings|file extensions|IPv4 addresses",
}
_TRACES = (
    'Traceback (most recent call last):\n  File "/app/src/«word».py", line «~int:5-300», in run\n    total = sum(row["price"] for row in rows)\n'
    "KeyError: 'price'",
    "TypeError: Cannot read properties of undefined (reading 'map')\n    at List (src/List.tsx:«~int:5-90»:«~int:2-40»)\n"
    "    at renderWithHooks (node_modules/react-dom/cjs/react-dom.development.js:«~int:100-20000»:18)",
    "panic: runtime error: index out of range [«~int:3-40»] with length 3\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:«~int:5-90» +0x1d",
    'Exception in thread "main" java.lang.IllegalStateException: queue is full\n\tat com.acme.«Word».offer(«Word».java:«~int:5-90»)',
    "error[E0502]: cannot borrow `items` as mutable because it is also borrowed as immutable\n  --> src/main.rs:«~int:5-90»:9",
    "E       AssertionError: assert «~int:1-50» == «~int:51-90»\ntests/test_«word».py:«~int:5-90»: AssertionError",
    "make: *** [Makefile:«~int:5-90»: build] Error 2",
    "npm ERR! code ERESOLVE\nnpm ERR! ERESOLVE unable to resolve dependency tree\nnpm ERR! Found: react@18.3.1",
)
_DIFFS = (
    "--- a/src/«word».py\n+++ b/src/«word».py\n@@ -«~int:3-90»,4 +«~int:3-90»,4 @@\n-    return items[0]\n+    return items[0] if items else None",
    "--- a/app/«word».ts\n+++ b/app/«word».ts\n@@ -1,3 +1,4 @@\n+import { debounce } from 'lodash-es';\n export const limit = «~int:3-90»;",
)


def _pick(rng: random.Random, pool: list[str], _: str) -> str:
    return rng.choice(pool)


def _scene(page: Page) -> Scene:
    rng = page.rng
    scene = Scene(page)

    def code(_: str) -> str:
        language = rng.choice(["python", "python", "js", "js", "go", "java", "rust", "ruby", "shell"])
        return scene.render(f"«fill:{language}:{rng.choice(['1-3', '2-6', '5-15', '15-40'])}»")

    scene.extra.update({name: partial(_pick, rng, pool.split("|")) for name, pool in _POOLS.items()})
    scene.extra.update(
        {
            "code": code,
            "logs": lambda _: scene.render(f"«fill:log:{rng.choice(['3-8', '10-40'])}»"),
            "yaml": lambda _: scene.render("«fill:yaml:4-12»"),
            "trace": lambda _: scene.render(rng.choice(_TRACES)),
            "diff": lambda _: scene.render(rng.choice(_DIFFS)),
        }
    )
    return scene


def documents(split: str) -> Iterator[Document]:
    """Yield the prompts of one split."""
    for template in allowed(list(load("prompts")), split):
        for number in range(PER_TEMPLATE // 2):
            seed = f"{split}-prompt-{template.name}-{number}"
            page = Page(random.Random(seed))
            doc: Document = {"id": seed, "split": split, "set": "prompt", "note": template.name}
            yield finish(page, _scene(page).render(template.text), doc)
