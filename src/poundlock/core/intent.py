"""What a conversation is about, and whether it asks for text or for deeds: words of the latest request, tools, files.

One fact among others, which may be "unsure": it may tighten or advise, and must never loosen by itself. It must never
leave this module as anything but one of these words.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Literal, NamedTuple

from poundlock.core import sinks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from poundlock.core.model import Document, Segment

Task = Literal[
    "debug", "implement", "refactor", "review", "explain", "test", "document", "operate", "data", "plan", "unsure"
]
Act = Literal["suggest", "act", "unsure"]

READ = 1_200
"""So many characters of the latest request are read, from its beginning, and a third as many from its end."""
LOOKED = 2_000
"""So many segments back the latest request is looked for."""
ENOUGH = 3
"""A task is named from this score on, …"""
MARGIN = 2
"""… when it leads by so much. Both were chosen on requests that are not held out (docs/intent.md)."""
FIRST = 2
"""What a request's first word counts besides."""

FILE = 2
"""What a file that was opened since counts for its task, once."""

_STRONG: dict[Task, str] = {
    "debug": "debug bug bugs traceback stacktrace stack_trace segfault crash crashes crashed crashing broken "
    "root_cause regression fails failing failed fail exception panic deadlock hangs hang leak leaks flaky "
    "times_out timeout stuck stopped_working doesn't_work not_working isn't_working not_work went_wrong "
    "goes_wrong gets_stuck is_wrong wrong_total wrong_result wrong_value is_undefined undefined_is "
    "returns_none null_pointer error_500 a_500 a_404 no_idea fix keyerror typeerror valueerror "
    "nullpointerexception throws",
    "implement": "implement scaffold add create build new_endpoint new_feature support accept "
    "introduce we_need i'd_like "
    "make_it_possible possible_to wire_up should_also allow write_a_function write_a_script write_a_class "
    "put_a hook button feature endpoint component",
    "refactor": "refactor refactoring restructure clean_up cleanup deduplicate simplify rewrite modernise modernize "
    "decouple untangle rename extract inline split cut_it get_rid merge_them turn_the convert same_behaviour "
    "same_behavior without_changing duplication shorter tidy move_the idiomatic port migrate replace_the",
    "review": "review audit critique approve look_over anything_missing any_issues any_problems any_concerns "
    "is_this_safe this_safe this_ok this_correct vulnerabilities vulnerability exploited double_check "
    "sanity_check this_patch this_diff my_changes my_change before_i_merge code_review did_i feedback "
    "pull_request think_about be_strict second_opinion",
    "explain": "explain walk_me understand what_does how_does difference_between the_difference what's_the_point "
    "the_point plain_words overview new_to what_happens where_is where_does where_are why_is why_does_this "
    "tell_me what_is meaning summary_of mean_here",
    "test": "tests unittest unit_test unit_tests integration_test pytest jest junit vitest coverage fixtures fixture "
    "mocks mock specs spec assertions edge_cases parametrize failing_test test_for test_suite test_cases "
    "a_test prove_that happy_path fake stub",
    "document": "docstring docstrings readme changelog release_notes documentation manual_page javadoc commit_message "
    "how_to howto tutorial user_guide document comments translate proofread announcement markdown "
    "for_our_customers write_up blog docs",
    "operate": "deploy deployment rollback roll_back kubectl terraform helm provision systemd "
    "dockerfile docker compose "
    "nginx restart install upgrade configure set_up renew certificate publish tag cron rebase push_it push "
    "cherry_pick bring_up backs_up ci_pipeline github_actions build_job cluster more_memory scale "
    "environment_variable",
    "data": "sql csv dataframe pandas spreadsheet sheet parquet histogram plot chart average median percentile "
    "outliers group_by group join aggregate duplicate_rows revenue per_week per_day per_month by_month trend "
    "dataset rows columns how_many query export analyse_these analyze_these",
    "plan": "design architecture plan roadmap trade_offs tradeoffs proposal brainstorm pros_and_cons break_this "
    "break_it should_we should_i which_approach best_way good_structure sketch what_would_it_take "
    "would_it_take next_quarter alternatives estimate recommend strategy go_about before_you_code "
    "something_simpler options next_steps",
}
"""Words, and words that follow each other, that speak for a task: three points each, once."""
_WEAK: dict[Task, str] = {
    "debug": "error errors wrong why instead unexpected unexpectedly logs since issue problem log killed reset exited",
    "implement": "write make need want generate extend enable which option field page command into function",
    "refactor": "readable cleaner smaller modules split module structure callbacks global argument branches",
    "review": "check safe secure correct forget honest patch diff merge opinion",
    "explain": "what how where which meaning understand does",
    "test": "test assert cases checks expected input offline",
    "document": "wording describe paragraph comment guide summarise summarize colleagues words",
    "operate": "server container branch pipeline permissions staging production run start release version build commit",
    "data": "table column row records count rate customers month week sum number dates",
    "plan": "approach compare decide consider ideas steps or simpler before take structure",
}
"""Words that speak for it weakly: one point each, three of them at the most."""
_LEADING: dict[Task, str] = {
    "debug": "fix debug why",
    "implement": "implement add create build write make",
    "refactor": "refactor rename extract simplify split convert",
    "review": "review check audit",
    "explain": "explain what how where describe",
    "test": "test cover",
    "document": "document translate summarise summarize",
    "operate": "deploy install run configure upgrade restart tag renew commit",
    "data": "analyze analyse plot query count",
    "plan": "plan design propose compare sketch",
}


def _spread(words: dict[Task, str]) -> dict[str, list[Task]]:
    spread: dict[str, list[Task]] = {}
    for name, text in words.items():
        for word in text.split():
            spread.setdefault(word, []).append(name)
    return spread


_SAYS, _HINTS, _BEGINS = _spread(_STRONG), _spread(_WEAK), _spread(_LEADING)
_PHRASES: dict[str, list[str]] = {}
"""What is said strongly, by its first word: a text's words are then gone through once."""
for _said in _SAYS:
    _PHRASES.setdefault(_said.partition("_")[0], []).append(_said)
_WORD = re.compile(r"[a-z][a-z']*")
_POLITE = frozenset(
    _WORD.findall(
        "please hi hey hello ok okay so now can could would you i we want need to let's lets just also then and help "
        "me us"
    )
)
_FILES: tuple[tuple[Task, re.Pattern[str]], ...] = (
    ("test", re.compile(r"(?:^|/)(?:tests?/|test_|.*(?:_test|\.test|\.spec)\.)")),
    ("document", re.compile(r"\.(?:md|rst|adoc)$|(?:^|/)docs?/")),
    ("operate", re.compile(r"(?:Dockerfile|\.tf|\.ya?ml)$|(?:^|/)(?:\.github|charts|deploy)/")),
    ("data", re.compile(r"\.(?:sql|csv|parquet|ipynb)$")),
)
_PATH_KEYS = frozenset({"path", "file_path", "filename", "notebook_path", "filePath"})
_DOING: frozenset[Task] = frozenset({"debug", "implement", "refactor", "test", "document", "operate"})
_ACTING = frozenset({"command", "file", "remote"})
_LOOKS = re.compile(r"(?:\w+__)*(?:read|view|glob|grep|list|ls|search|find|get|show|cat|todo)", re.IGNORECASE)
"""Tools that only look begin so."""


class Intent(NamedTuple):
    """What a conversation is about, and whether it asks for text or for deeds."""

    task: Task = "unsure"
    action: Act = "unsure"


def of(document: Document) -> Intent:
    """Say what a document's conversation is about."""
    request, calls = _latest(document.segments)
    name = task(request, (each.text for each in calls if each.key in _PATH_KEYS))
    return Intent(name, _action(name, document.tools, calls))


def task(request: str, files: Iterable[str] = ()) -> Task:
    """Say what a request is about; `files` are paths that calls since then have named."""
    text = request if len(request) <= READ * 4 // 3 else f"{request[:READ]}\n{request[-READ // 3 :]}"
    words = _WORD.findall(text.lower())
    scores: dict[Task, int] = dict.fromkeys(_STRONG, 0)
    for said in _said_in(words):
        for name in _SAYS[said]:
            scores[name] += 3
    hints = Counter(name for word in set(words) for name in _HINTS.get(word, ()))
    for name, count in hints.items():
        scores[name] += min(count, 3)
    first = next((word for word in words if word not in _POLITE), "")
    for name in _BEGINS.get(first, ()):
        scores[name] += FIRST
    for name in {name for path in files for name, pattern in _FILES if pattern.search(path[-300:])}:
        scores[name] += FILE
    best, next_ = sorted(scores.values(), reverse=True)[:2]
    if best < ENOUGH or best - next_ < MARGIN:
        return "unsure"
    return max(scores, key=scores.__getitem__)


def _said_in(words: list[str]) -> set[str]:
    """Give what is said strongly in these words."""
    found: set[str] = set()
    for at, word in enumerate(words):
        for said in _PHRASES.get(word, ()):
            if said == word or "_".join(words[at : at + 1 + said.count("_")]) == said:
                found.add(said)
    return found


def _action(name: Task, offered: Iterable[str], calls: list[Segment]) -> Act:
    """Say whether deeds are asked for: they are when one was called for since, and not when nothing could do them."""
    if any(_does(each.tool) for each in calls if each.tool):
        return "act"
    if not any(map(_does, offered)):
        return "suggest"
    return "act" if name in _DOING else "unsure"


def _does(tool: str) -> bool:
    return sinks.classify(tool) in _ACTING and _LOOKS.match(tool) is None


def _latest(segments: tuple[Segment, ...]) -> tuple[str, list[Segment]]:
    """Give the latest typed request, and the calls since then."""
    calls: list[Segment] = []
    typed: list[str] = []
    turn = -1
    for each in _backwards(segments):
        if turn >= 0 and each.turn != turn:
            break
        if each.kind == "tool_args":
            calls.append(each)
        elif _is_request(each):
            typed.append(each.text)
            turn = each.turn
    return "\n".join(reversed(typed)), calls


def _backwards(segments: tuple[Segment, ...]) -> Iterator[Segment]:
    return (segments[index] for index in range(len(segments) - 1, max(-1, len(segments) - 1 - LOOKED), -1))


def _is_request(each: Segment) -> bool:
    """Whether a person typed it: what begins with a tag is what clients put beside it."""
    return (
        each.role == "user"
        and each.origin == "typed"
        and each.kind in {"prose", "code"}
        and not each.opaque
        and each.text.lstrip()[:1] != "<"
        and bool(each.text.strip())
    )
