"""Requests of our own making, by task and family: what `core/intent.py` was chosen on, and what it never saw.

A family is a way of asking. `CHOSEN` was looked at when cues and thresholds were chosen; `HELD` was written after that
and is only measured: whoever changes a cue does not read it first.
"""

from __future__ import annotations

import itertools
import random
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FILLS = {
    "fn": ("parse_config", "handleSubmit", "load_user", "resolvePath", "merge_rows", "retryWithBackoff"),
    "file": ("src/orders/cart.py", "lib/session.ts", "cmd/agent/main.go", "app/models/invoice.rb", "core/wire.rs"),
    "thing": ("the login page", "our invoice export", "the session cache", "the webhook receiver", "the search index"),
    "tech": ("Postgres", "Redis", "React", "FastAPI", "gRPC", "Kafka"),
    "env": ("staging", "production", "the demo cluster", "my laptop"),
    "what": ("a retry limit", "pagination", "dark mode", "an audit trail", "rate limiting"),
}

_FIRST: dict[str, tuple[str, ...]] = {
    "debug": (
        "{fn} in {file} fails with a KeyError, can you fix it?",
        'Traceback (most recent call last):\n  File "{file}", line 12, in {fn}\nTypeError: unsupported operand',
        "Why does {thing} crash when {tech} is slow?",
        "There is a bug in {fn}: it returns None for empty input.",
        "{thing} stopped working after the last update, find the root cause",
    ),
    "implement": (
        "Implement {what} for {thing}.",
        "Write a function {fn} that reads a file and returns its lines.",
        "Please add {what} to {file}",
        "Create a new endpoint that lists the sessions of a user.",
        "Build me a small CLI for {tech}.",
    ),
    "refactor": (
        "Refactor {fn} so that it is easier to read.",
        "Rename {fn} everywhere, without changing behaviour.",
        "Extract the validation of {file} into a class of its own.",
        "Simplify {file}, there is a lot of duplication.",
        "Convert {file} to async and keep the interface.",
    ),
    "review": (
        "Review this diff before I merge it.",
        "Is this safe? {fn} in {file}",
        "Please look over my change to {thing}, any issues?",
        "Do a code review of {file}.",
        "Audit {file} for vulnerabilities.",
    ),
    "explain": (
        "Explain how {fn} works.",
        "What does {file} do?",
        "What is the difference between {fn} and the old one?",
        "Walk me through {thing}.",
        "How does {tech} handle transactions?",
    ),
    "test": (
        "Write unit tests for {fn}.",
        "Add tests that cover the edge cases of {file}.",
        "Increase the coverage of {thing} with pytest.",
        "I need fixtures and mocks for {tech}.",
        "Write an integration test for {thing}",
    ),
    "document": (
        "Write a docstring for {fn}.",
        "Update the README for {what}.",
        "Draft an announcement about {what}.",
        "Write a commit message for these changes.",
        "Document the settings of {thing} in Markdown.",
    ),
    "operate": (
        "Deploy the branch to {env}.",
        "Write a Dockerfile and run the container on {env}.",
        "Upgrade {tech} on {env}.",
        "Rebase my branch and push it.",
        "Set up the CI pipeline with GitHub Actions.",
    ),
    "data": (
        "Write a SQL query that counts orders by month.",
        "Plot a histogram of the response times in this CSV.",
        "Find the duplicate rows in this table.",
        "Group by customer and give the average of the amount column.",
        "Analyse these records for outliers.",
    ),
    "plan": (
        "Should we use {tech} for {thing}?",
        "Design the architecture of {thing}.",
        "What are the trade-offs between {tech} and a plain file?",
        "Break this down into steps: {what} for {thing}.",
        "Make a plan for moving {thing} to {tech}.",
    ),
    "unsure": ("yes", "continue", "ok thanks", "go on", "that one, please"),
}

_SECOND: dict[str, tuple[str, ...]] = {
    "debug": (
        "users see a 500 since this morning on {thing}, logs say connection reset",
        "{fn} gives the wrong total when the cart has two equal items",
        "I get `undefined is not a function` from {file}",
        "our {tech} consumer gets stuck after an hour and has to be killed",
        "flaky: {thing} times out one run in ten, no idea why",
    ),
    "implement": (
        "We need {what} in {thing}. The limit comes from the settings.",
        "make it possible to export the list as a PDF",
        "{thing} should also accept a second address",
        "put a button next to the title which copies the link",
        "I'd like a hook that caches the last response of {tech}",
    ),
    "refactor": (
        "{file} has grown to 900 lines, cut it into sensible modules",
        "get rid of the global in {fn} and pass it as an argument",
        "these three branches do nearly the same, merge them",
        "turn the callbacks of {file} into promises",
        "make {fn} shorter, same behaviour please",
    ),
    "review": (
        "what do you think about this patch?",
        "did I forget something in {file}?",
        "can this be exploited? {fn} takes the path from the request",
        "please check my changes on this branch, be strict",
        "would you approve this? be honest about {fn}",
    ),
    "explain": (
        "I'm new to this code. Where does a request enter and which way does it go to {thing}?",
        "what's the point of the lock in {fn}",
        "in plain words, what happens when {tech} loses its leader",
        "give me an overview of {file}",
        "why is there a sleep in {fn}?",
    ),
    "test": (
        "prove that {fn} handles empty and huge input",
        "there are no specs for {file} yet, start with the happy path",
        "parametrize the checks on {fn} over all locales",
        "set up a fake {tech} server so that we can test {thing} offline",
        "write a failing test first for {what}",
    ),
    "document": (
        "put the new flags into the manual page",
        "summarise what changed since the last tag for our customers",
        "the comments in {file} are out of date, bring them up to date",
        "write a short how-to about {what} for new colleagues",
        "translate the readme into German",
    ),
    "operate": (
        "bring up {tech} on {env} with compose",
        "the certificate on {env} expires next week, renew it",
        "tag version 2.4 and publish it",
        "give the build job on {env} more memory",
        "create a nightly cron job that backs up {tech}",
    ),
    "data": (
        "how many users signed up per week this year? schema below",
        "which ten products bring the most revenue, from the attached export",
        "clean the dates in this sheet, they have three formats",
        "left join orders with refunds and show what has no match",
        "draw the trend of errors per day as a line",
    ),
    "plan": (
        "we want {what} next quarter, what would it take?",
        "{tech} or something simpler? we have two developers and little time",
        "sketch the steps to get {thing} off the old server",
        "what would be a good structure for a plugin system here?",
        "before you code anything, tell me how you would go about {what}",
    ),
    "unsure": ("no, the other one", "hm", "same again please", "great, next", "let's go with 2"),
}

CHOSEN = {task: _FIRST[task] + _SECOND[task] for task in _FIRST}
"""The second half was held out from the first cues, which named 2 in 100 of it: they were then chosen anew."""

HELD: dict[str, tuple[str, ...]] = {
    "debug": (
        "Since I bumped {tech}, {fn} raises on every second call. Can you have a look?",
        "{thing} shows stale values after a save; a reload helps",
        "the job exits with code 137 on {env}",
        "Find out why {fn} is called twice.",
        "Help, I broke {thing}: nothing renders and the console is full of warnings",
    ),
    "implement": (
        "Please write a small parser for our log format in {file}.",
        "I want users to be able to upload a picture, 2 MB at the most.",
        "Add {what} to {thing}, behind a flag.",
        "Give {fn} an optional parameter for the time zone",
        "Generate a React form with name and birthday that validates on submit",
    ),
    "refactor": (
        "{fn} is far too long. Break it into smaller pieces.",
        "Replace our own cache by {tech}, nothing else should change.",
        "Use dataclasses in place of the dicts in {file}",
        "Please clean up the imports and dead code of {file}",
        "Can {fn} be written more elegantly?",
    ),
    "review": (
        "Please review {file}; I mostly care about races.",
        "Here is my first PR on {thing}. Comments welcome.",
        "Any security holes in the way {fn} builds the query?",
        "Is my use of {tech} correct here?",
        "Find mistakes in this migration before it goes to {env}",
    ),
    "explain": (
        "What is {fn} for?",
        "Could you explain the retry logic of {thing} to me?",
        "How are sessions stored? I can't find it.",
        "I don't get why {file} imports itself lazily.",
        "Which parts of the code talk to {tech}?",
    ),
    "test": (
        "Please add a test that reproduces the race in {fn}.",
        "Cover {file} with tests, table driven.",
        "How can I mock {tech} in our suite? Show it for {fn}.",
        "Write property-based checks of the round trip of {fn}",
        "Our coverage of {thing} is at 40 %, bring it to 80",
    ),
    "document": (
        "Add a section on {what} to the docs.",
        "Write JSDoc for everything exported from {file}.",
        "I need release notes for the last ten commits",
        "Explain {what} in the handbook, one page, with an example",
        "Fix the typos in CONTRIBUTING.md",
    ),
    "operate": (
        "Roll {env} back to yesterday's image.",
        "Install {tech} and create a user for the app.",
        "The disk of {env} is full, free some space",
        "Commit this with a good message and open a pull request",
        "Write a Helm chart for {thing}",
    ),
    "data": (
        "Which customers ordered more than twice in March? Here is the table.",
        "Compute the median response time per route from this log.",
        "Rewrite this query so that it uses the index on created_at",
        "Turn this JSON into a table with one row per order",
        "Make a bar chart of sales by region",
    ),
    "plan": (
        "How should we split {thing} into services?",
        "Compare {tech} with what we have, with pros and cons.",
        "I want to add {what}. Give me a plan first, no code.",
        "What are our options for multi-tenancy in {thing}?",
        "Think through the migration of {thing} and list the risks",
    ),
    "unsure": ("sure", "the second", "and now in red", "I meant the other file", "perfect!"),
}
"""Written after the cues, and not looked at since."""


def requests(families: dict[str, tuple[str, ...]], each: int = 6) -> Iterator[tuple[str, str]]:
    """Give (task, request), some of each family with different names in it; the same ones at each call."""
    random_ = random.Random(20_261_121)
    for task, texts in families.items():
        for text in texts:
            names = re.findall(r"\{(\w+)\}", text)
            wanted = each if names else 1
            for _ in itertools.repeat(None, wanted):
                yield task, re.sub(r"\{(\w+)\}", lambda found: random_.choice(FILLS[found[1]]), text)


def accuracy(families: dict[str, tuple[str, ...]]) -> tuple[float, float, float]:
    """Give coverage, and the shares of right answers among those that are given and among all.

    Each family weighs the same, however many requests it gives; coverage and accuracy are of requests with a task.
    """
    from poundlock.core import intent

    weights = right = given = 0.0
    for task, texts in families.items():
        if task == "unsure":
            continue
        for text in texts:
            some = [answer for _, answer in requests({task: (text,)})]
            weights += 1
            said = [intent.task(each) for each in some]
            given += sum(each != "unsure" for each in said) / len(said)
            right += sum(each == task for each in said) / len(said)
    return given / weights, right / given, right / weights
