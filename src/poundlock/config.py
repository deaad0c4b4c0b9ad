"""Settings: the text of `poundlock.toml` becomes one frozen value. Everything has a default.

It never reads a file or an environment variable: the caller brings the text.
"""

from __future__ import annotations

import re
import tomllib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from poundlock.core.errors import ConfigFault

Mode = Literal["enforce", "monitor"]
Profile = Literal["personal", "team", "strict"]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file; a key that nobody knows is an error, since a misspelt setting must not be a silent one."""


class Gateway(_Section, frozen=True, kw_only=True):
    """The data plane's listener and its limits."""

    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 takes a free one.")] = 8787
    workers: Annotated[int, Meta(ge=1, le=256, description="Worker processes.")] = 1
    hosts: Annotated[
        tuple[str, ...], Meta(description="Names accepted in the `Host` header besides the loopback names.")
    ] = ()
    origins: Annotated[
        tuple[str, ...], Meta(description="Values accepted in the `Origin` header; a web page is refused otherwise.")
    ] = ()
    max_body: Annotated[int, Meta(ge=1024, description="Largest request body, decoded, in bytes.")] = 67_108_864
    max_answer: Annotated[int, Meta(ge=1024, description="Largest answer that is not streamed, in bytes.")] = 67_108_864
    drain_seconds: Annotated[
        int, Meta(ge=0, le=3600, description="How long open streams may go on when the gateway stops.")
    ] = 30
    memo_bytes: Annotated[
        int, Meta(ge=0, description="Memory for recognising text that was inspected before, per worker, in bytes.")
    ] = 67_108_864


class State(_Section, frozen=True, kw_only=True):
    """Where the vault, the audit log and the keys live."""

    directory: Annotated[
        str, Meta(description="Folder (0700). Empty: `$XDG_STATE_HOME/poundlock`, else `~/.local/state/poundlock`.")
    ] = ""
    master_key: Annotated[
        Literal["file", "keyring"],
        Meta(description="Where the master key is kept; `POUNDLOCK_MASTER_KEY` in the environment goes first."),
    ] = "file"


class Audit(_Section, frozen=True, kw_only=True):
    """The audit log's signed heads."""

    heads: Annotated[
        str,
        Meta(description="Second place for signed heads: a file, best on another disk. Empty: beside the log."),
    ] = ""
    file_names: Annotated[
        bool, Meta(description="Whether records name the files that calls opened; else they hold keyed hashes.")
    ] = False
    head_every: Annotated[int, Meta(ge=1, description="Records from one signed head to the next.")] = 64


class Policy(_Section, frozen=True, kw_only=True):
    """Policies beside the default pack."""

    files: Annotated[tuple[str, ...], Meta(description="Cedar files that join the default pack.")] = ()
    default_pack: Annotated[bool, Meta(description="Whether the default pack is in force.")] = True


class Rules(_Section, frozen=True, kw_only=True):
    """Detection rules and names beside the shipped ones."""

    files: Annotated[tuple[str, ...], Meta(description="Rule files (TOML) that join the shipped pack.")] = ()
    names: Annotated[
        tuple[str, ...], Meta(description="Files with internal names: customers, projects, code names; one a line.")
    ] = ()
    hosts: Annotated[
        tuple[str, ...], Meta(description="Internal domains: every host under them is infrastructure.")
    ] = ()
    unknown_tier: Annotated[
        Literal["", "public", "internal", "restricted"],
        Meta(description="Tier of what no rule could place. Empty: internal, and restricted in the strict profile."),
    ] = ""


class Documents(_Section, frozen=True, kw_only=True):
    """What is done with files that a request holds as base64."""

    read: Annotated[
        bool,
        Meta(description="Read PDF, Office files and archives; one with findings is sent as its text, disguised."),
    ] = True
    unread: Annotated[
        Literal["pass", "refuse"], Meta(description="What happens to one that can't be read, or not to its end.")
    ] = "pass"
    images: Annotated[
        Literal["pass", "remove", "refuse"],
        Meta(description="What happens to images, which are not read: passed, replaced by a remark, refused."),
    ] = "pass"
    largest: Annotated[int, Meta(ge=1024, description="Largest file that is read, in bytes.")] = 33_554_432
    seconds: Annotated[int, Meta(ge=1, le=600, description="How long the reading of one may take.")] = 20


class Answers(_Section, frozen=True, kw_only=True):
    """What is done with answers."""

    scan: Annotated[bool, Meta(description="Search answers, too, and record what they held.")] = True


class Workload(_Section, frozen=True, kw_only=True):
    """A CI job or service that an issuer vouches for, `[identity.workloads.NAME]`."""

    issuer: Annotated[str, Meta(description="Who vouches: the `iss` of its tokens. Empty for SPIFFE.")] = ""
    keys: Annotated[
        str, Meta(description="Where the issuer's keys are: an address or a file (JWK set). Empty: its metadata says.")
    ] = ""
    audience: Annotated[str, Meta(description="The audience that its tokens must be for.")] = "poundlock"
    claims: Annotated[
        dict[str, str],
        Meta(description="What its tokens must say, at least one thing; a value may end with `*`."),
    ]
    tool: Annotated[str, Meta(description="The entry of the register that its tasks are of.")]
    scopes: Annotated[tuple[str, ...], Meta(description="What its tasks may do. Empty: as the register says.")] = ()
    max_tier: Annotated[
        Literal["public", "internal", "restricted"], Meta(description="The highest tier that they may handle.")
    ] = "restricted"
    minutes: Annotated[int, Meta(ge=1, le=1440, description="How long a task of it lasts at the most.")] = 60


class People(_Section, frozen=True, kw_only=True):
    """Who vouches for people: an OpenID provider. Without an issuer they are users of the operating system."""

    issuer: Annotated[str, Meta(description="Address of the provider. Empty: users of this machine.")] = ""
    client_id: Annotated[str, Meta(description="Poundlock's client id there; it needs the device grant.")] = ""
    claim: Annotated[str, Meta(description="The claim of the ID token that names a person.")] = "email"
    scopes: Annotated[str, Meta(description="The scopes that are asked for.")] = "openid email"
    hours: Annotated[int, Meta(ge=1, le=168, description="Hours until a person has to log in again.")] = 12


class Identity(_Section, frozen=True, kw_only=True):
    """Tools as identities: the register, tasks, and what a tool's surroundings may hold."""

    enrol: Annotated[
        bool,
        Meta(description="Whether `run` adds a tool to the register, owned by whoever runs it; else it is refused."),
    ] = True
    grace_days: Annotated[
        int, Meta(ge=0, le=365, description="Days that a tool may go on without an owner, or after its owner left.")
    ] = 14
    task_hours: Annotated[int, Meta(ge=1, le=168, description="Longest life of a task, in hours.")] = 168
    scrub: Annotated[
        bool, Meta(description="Whether `run` takes credentials that are not the tool's out of its environment.")
    ] = True
    keep: Annotated[
        tuple[str, ...],
        Meta(description="Variables, or groups of them (`aws`, `ssh`, …), that `run` leaves in a tool's environment."),
    ] = ()
    processes: Annotated[
        bool, Meta(description="Whether a local caller without a credential is named by its process, on record.")
    ] = True
    people: People = People()
    workloads: dict[str, Workload] = {}


class Level(_Section, frozen=True, kw_only=True):
    """How much of a resource a grant gives, `[resources.NAME.levels.LEVEL]`."""

    writes: Annotated[bool, Meta(description="Whether it can change anything: then a person has to agree.")] = True
    roles: Annotated[tuple[str, ...], Meta(description="PostgreSQL: roles that the lease's own is a member of.")] = ()
    schemas: Annotated[
        tuple[str, ...],
        Meta(description="PostgreSQL: schemas whose tables it may read, and change if it `writes`."),
    ] = ()
    principals: Annotated[tuple[str, ...], Meta(description="SSH: the accounts that it may log in to.")] = ()
    command: Annotated[str, Meta(description="SSH: the one command that it may run. Empty: any.")] = ""
    source: Annotated[str, Meta(description="SSH: addresses that it may come from, `10.0.0.0/8`. Empty: any.")] = ""
    subject: Annotated[str, Meta(description="X.509: the organisational unit that the certificate names.")] = ""


class Resource(_Section, frozen=True, kw_only=True):
    """Something that a task can have a lease on, `[resources.NAME]`, asked for as `BACKEND:NAME:LEVEL`."""

    backend: Annotated[Literal["postgres", "ssh", "static", "x509"], Meta(description="What makes the credential.")]
    secret_env: Annotated[
        str,
        Meta(
            description="Variable of the gateway with what makes it: a PostgreSQL address of an administrator, a CA's "
            "private key (PEM, or its path), or the static secret. No tool gets it."
        ),
    ]
    minutes: Annotated[int, Meta(ge=1, le=1440, description="How long a lease lasts at the most.")] = 60
    tier: Annotated[Literal["public", "internal", "restricted"], Meta(description="The tier of what lies there.")] = (
        "internal"
    )
    environment: Annotated[str, Meta(description="Where it belongs, for policies: `production`, `test`.")] = ""
    levels: Annotated[
        dict[str, Level],
        Meta(description="What can be asked for. Without any: `read` and, for PostgreSQL, `write` on schema public."),
    ] = {}
    connections: Annotated[int, Meta(ge=1, le=100, description="PostgreSQL: connections of one lease at a time.")] = 8
    variable: Annotated[str, Meta(description="PostgreSQL: variable that gets the address, too, `DATABASE_URL`.")] = ""
    revoked: Annotated[
        str, Meta(description="SSH: file with the list of revoked certificates, for the server's `RevokedKeys`.")
    ] = ""
    certificate: Annotated[str, Meta(description="X.509: file with the CA's certificate (PEM).")] = ""
    upstream: Annotated[str, Meta(description="Static: the only place that the secret goes to, `https://…`.")] = ""
    header: Annotated[str, Meta(description="Static: the header that it goes in.")] = "authorization"
    prefix: Annotated[str, Meta(description="Static: what stands before it in the header.")] = "Bearer "
    ca_file: Annotated[str, Meta(description="Static: certificates (PEM) to trust, besides the system's.")] = ""

    def level(self, name: str) -> Level | None:
        """Give a level: configured, else a default one where nothing is configured, else None."""
        if self.levels or name not in {"read", "write"} or (name == "write" and self.backend != "postgres"):
            return self.levels.get(name)
        return Level(writes=name == "write", schemas=("public",))


class Local(_Section, frozen=True, kw_only=True):
    """A model inside the boundary, for what may not leave it."""

    provider: Annotated[
        str,
        Meta(description="Provider with `local = true` that takes what may only stay inside. Empty: there is none."),
    ] = ""
    models: Annotated[
        dict[str, str],
        Meta(description='Its model for a model that was asked for, by pattern: `"claude-*" = "qwen3-coder"`.'),
    ] = {}


class Approvals(_Section, frozen=True, kw_only=True):
    """What needs a person's consent: who may give it, and how long an exchange waits for it."""

    approvers: Annotated[
        tuple[str, ...],
        Meta(description="Who may approve: users of the system. Empty: anybody but who asked."),
    ] = ()
    needed: Annotated[int, Meta(ge=1, le=8, description="How many of them must say yes.")] = 1
    wait_seconds: Annotated[
        int, Meta(ge=0, le=150, description="How long an exchange is held; then it is refused with the approval's id.")
    ] = 150
    quiet_seconds: Annotated[
        int, Meta(ge=0, le=150, description="Seconds until the first sign of life on a held stream, and between them.")
    ] = 10
    minutes: Annotated[int, Meta(ge=1, le=1440, description="How long a question may be answered.")] = 60
    open_questions: Annotated[int, Meta(ge=1, le=100, description="Open questions of one person at a time.")] = 8
    break_glass: Annotated[
        Literal["personal", "always", "never"],
        Meta(description="Whether a person alone may approve for themselves: in the personal profile only, or at all."),
    ] = "personal"
    glass_minutes: Annotated[int, Meta(ge=1, le=60, description="The longest that a broken glass stays open.")] = 15
    webhook: Annotated[
        str, Meta(description="URL that is told of each question and each broken glass (Slack's format).")
    ] = ""
    links: Annotated[
        dict[str, str],
        Meta(description="An approver's own webhook, by name: it gets a signed link, good for that approver only."),
    ] = {}
    page: Annotated[str, Meta(description="Where `poundlock approve --listen` is reached, for the links.")] = (
        "http://127.0.0.1:8788"
    )


class Rollout(_Section, frozen=True, kw_only=True):
    """One step of a rollout, `[[rollout]]`: a mode for some people, tools, destinations, policies or rules."""

    mode: Annotated[Mode, Meta(description="`monitor`: told of and not enforced. `enforce`: as everywhere.")]
    people: Annotated[tuple[str, ...], Meta(description="Whom it is for. Empty: everybody.")] = ()
    tools: Annotated[tuple[str, ...], Meta(description="Which tools. Empty: all.")] = ()
    providers: Annotated[tuple[str, ...], Meta(description="Which providers, by name. Empty: all.")] = ()
    only: Annotated[
        tuple[str, ...], Meta(description="Policies and detection rules, by id. Empty: the whole exchange.")
    ] = ()


class Sandbox(_Section, frozen=True, kw_only=True):
    """An environment declared non-production with synthetic data, `[[sandboxes]]`: it ends by itself."""

    name: Annotated[str, Meta(description="Its name, for the records.")]
    until: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$", description="The last day that it holds, `2026-12-31`.")]
    people: Annotated[tuple[str, ...], Meta(description="Whom it is for. Empty: everybody.")] = ()
    tools: Annotated[tuple[str, ...], Meta(description="Which tools. Empty: all.")] = ()
    providers: Annotated[tuple[str, ...], Meta(description="Which providers, by name. Empty: all.")] = ()


class Repository(_Section, frozen=True, kw_only=True):
    """What is declared of repositories, `[repositories."github.com/org/*"]`; `"*"` is everything. It only tightens."""

    tier: Annotated[
        Literal["public", "internal", "restricted"], Meta(description="The least tier of work on them.")
    ] = "public"
    protected: Annotated[bool, Meta(description="Whether their code is protected.")] = False
    paths: Annotated[
        tuple[str, ...],
        Meta(description="Files that are restricted as soon as a call opens one: `finance/*`, `*.key`."),
    ] = ()


class Vendors(_Section, frozen=True, kw_only=True):
    """What is known of vendors beside the shipped register."""

    files: Annotated[
        tuple[str, ...],
        Meta(description="Files with rows of your own (contracts, checks); a row replaces the shipped one."),
    ] = ()


class Account(_Section, frozen=True, kw_only=True):
    """An account at a provider, `[accounts.NAME]`: where there is one, any other account there is personal."""

    provider: Annotated[str, Meta(description="The provider, by name.")]
    organisations: Annotated[
        tuple[str, ...],
        Meta(description="Its ids as the vendor's headers have them (`anthropic-organization-id`, …)."),
    ] = ()
    keys: Annotated[
        tuple[str, ...], Meta(description="Digests of its keys: `poundlock vendors fingerprint VARIABLE`.")
    ] = ()
    repositories: Annotated[
        tuple[str, ...],
        Meta(description="What it may work on, `github.com/org/name` or `github.com/org/*`. Empty: everything."),
    ] = ()
    personal: Annotated[bool, Meta(description="Whether it is somebody's own, and known to be.")] = False


class Budget(_Section, frozen=True, kw_only=True):
    """How much may leave in a period before policy tightens, `[budgets.NAME]`; models inside are not counted."""

    measure: Annotated[
        Literal["exchanges", "characters", "people", "names", "secrets"],
        Meta(
            description="What is counted: exchanges, characters of new text, or different values of personal data, "
            "internal names, credentials."
        ),
    ]
    limit: Annotated[int, Meta(ge=1, description="How much of it may leave in a period.")]
    period: Annotated[
        Literal["hour", "day", "month"], Meta(description="Sliding: the last hour, 24 hours, 30 days.")
    ] = "day"
    per: Annotated[
        tuple[Literal["person", "tool", "destination", "repository"], ...],
        Meta(description="What each has a budget of its own for. Empty: all share one."),
    ] = ("person",)
    repositories: Annotated[
        tuple[str, ...],
        Meta(description="Only work on these counts: `github.com/org/name` or `github.com/org/*`. Empty: all."),
    ] = ()
    providers: Annotated[tuple[str, ...], Meta(description="Only these count, by name. Empty: all.")] = ()


class Review(_Section, frozen=True, kw_only=True):
    """What `poundlock review` looks at beside the areas that it knows."""

    areas: Annotated[
        dict[str, tuple[str, ...]],
        Meta(description='Areas of your own, by path: `billing = ["src/billing/**"]`.'),
    ] = {}


class Hooks(_Section, frozen=True, kw_only=True):
    """Hooks of coding agents (`poundlock init TOOL --hooks`)."""

    texts: Annotated[
        Literal["auto", "clear", "disguise"],
        Meta(
            description="Prompts and results of tools in hooks. `auto`: left as they are for a tool that `run` leads "
            "through the gateway, which disguises there; for others a prompt is stopped and a result disguised. "
            "`clear`: for all, where every agent's traffic passes the gateway anyway. `disguise`: for none."
        ),
    ] = "auto"


class Provider(_Section, frozen=True, kw_only=True):
    """One provider, `[providers.NAME]`: served under `/p/NAME/`, and at its own paths if its name is the format's."""

    upstream: Annotated[str, Meta(description="Base URL, `https://api.example.com`.")]
    format: Annotated[
        Literal["", "anthropic", "bedrock", "gemini", "ollama", "openai"],
        Meta(description="Wire format. Empty: told from the path."),
    ] = ""
    vendor: Annotated[str, Meta(description="Vendor id in the register. Empty: the provider's name.")] = ""
    plan: Annotated[str, Meta(description="Plan id in the vendor register: what it says of the plan counts.")] = ""
    approved: Annotated[bool, Meta(description="Whether the organisation approved this vendor and account.")] = False
    local: Annotated[bool, Meta(description="Whether it runs inside the boundary.")] = False
    key_env: Annotated[
        str,
        Meta(
            description="Environment variable of the gateway that holds the key it puts on; "
            "only for an exchange that carries Poundlock's credential."
        ),
    ] = ""
    key_header: Annotated[
        Literal["", "api-key", "authorization", "x-api-key", "x-goog-api-key"],
        Meta(description="Header in which that key goes: `api-key` for Azure. Empty: the format's own."),
    ] = ""
    sign: Annotated[
        Literal["", "aws"],
        Meta(
            description="`aws`: requests are signed (SigV4) with the gateway's own AWS credentials; "
            "only for an exchange that carries Poundlock's credential."
        ),
    ] = ""
    hosted: Annotated[
        tuple[str, ...],
        Meta(
            description="What the provider may run itself, before anyone can gate it: `web_search`, `web_fetch`, "
            "`code_execution`, `file_search`, `image_generation`, `tool_search`, `maps`, `shell`, and MCP servers "
            "as `mcp:HOST`. Whatever is not here is refused."
        ),
    ] = ("web_search", "code_execution", "file_search", "image_generation", "tool_search", "maps")
    ca_file: Annotated[str, Meta(description="Certificates (PEM) to trust for it, besides the system's.")] = ""


DEFAULT_PROVIDERS: dict[str, Provider] = {
    "anthropic": Provider(upstream="https://api.anthropic.com", format="anthropic", vendor="anthropic"),
    "openai": Provider(upstream="https://api.openai.com", format="openai", vendor="openai"),
    # Where Codex asks with the login of a ChatGPT account.
    "chatgpt": Provider(upstream="https://chatgpt.com", format="openai", vendor="openai", plan="chatgpt"),
    "gemini": Provider(upstream="https://generativelanguage.googleapis.com", format="gemini", vendor="google"),
    "bedrock": Provider(
        upstream="https://bedrock-runtime.us-east-1.amazonaws.com", format="bedrock", vendor="aws", plan="bedrock"
    ),
    # Without a format: the same server speaks other providers' formats under /v1.
    "ollama": Provider(upstream="http://127.0.0.1:11434", vendor="ollama", local=True),
    # They speak OpenAI's format; as their own documentation has it, November 2026.
    "mistral": Provider(upstream="https://api.mistral.ai", format="openai"),
    "codestral": Provider(upstream="https://codestral.mistral.ai", format="openai", vendor="mistral"),
    "deepseek": Provider(upstream="https://api.deepseek.com", format="openai"),
    "xai": Provider(upstream="https://api.x.ai", format="openai"),
    "groq": Provider(upstream="https://api.groq.com/openai", format="openai"),
    "openrouter": Provider(upstream="https://openrouter.ai/api", format="openai"),
    "together": Provider(upstream="https://api.together.xyz", format="openai"),
    "fireworks": Provider(upstream="https://api.fireworks.ai/inference", format="openai"),
    "cerebras": Provider(upstream="https://api.cerebras.ai", format="openai"),
    "qwen": Provider(upstream="https://dashscope.aliyuncs.com/compatible-mode", format="openai", vendor="alibaba"),
    "qwen-intl": Provider(
        upstream="https://dashscope-intl.aliyuncs.com/compatible-mode", format="openai", vendor="alibaba"
    ),
    "moonshot": Provider(upstream="https://api.moonshot.ai", format="openai"),
}


class Settings(_Section, frozen=True, kw_only=True):
    """All of `poundlock.toml`."""

    profile: Annotated[
        Profile,
        Meta(description="`personal`: one developer. `team`: known tools only. `strict`: unknown is restricted."),
    ] = "personal"
    mode: Annotated[Mode, Meta(description="`enforce`, or `monitor`: decide and record, change nothing.")] = "enforce"
    gateway: Gateway = Gateway()
    state: State = State()
    audit: Audit = Audit()
    policy: Policy = Policy()
    rules: Rules = Rules()
    documents: Documents = Documents()
    answers: Answers = Answers()
    identity: Identity = Identity()
    local: Local = Local()
    approvals: Approvals = Approvals()
    rollout: tuple[Rollout, ...] = ()
    sandboxes: tuple[Sandbox, ...] = ()
    vendors: Vendors = Vendors()
    repositories: dict[str, Repository] = {}
    accounts: dict[str, Account] = {}
    budgets: dict[str, Budget] = {}
    review: Review = Review()
    hooks: Hooks = Hooks()
    providers: dict[str, Provider] = {}
    resources: dict[str, Resource] = {}

    def provider(self, name: str) -> Provider | None:
        """Give the provider of this name: configured, else a default one, else None."""
        return self.providers.get(name) or DEFAULT_PROVIDERS.get(name)


def load(text: str, *, source: str = "poundlock.toml") -> Settings:
    """Read settings from TOML text. Raises `ConfigFault` naming the file, the key and what was expected."""
    try:
        tree: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise ConfigFault(f"{source} is not valid TOML: {fault}", advice="Correct the line that is named.") from None
    try:
        settings = msgspec.convert(tree, Settings)
    except msgspec.ValidationError as fault:
        raise ConfigFault(
            f"{source}: {fault}", advice="`poundlock init --print` shows every setting with its default."
        ) from None
    for name, workload in settings.identity.workloads.items():
        if not workload.claims or (not workload.issuer and not workload.claims.get("sub", "").startswith("spiffe://")):
            raise ConfigFault(
                f"{source}: identity.workloads.{name} must say what its tokens claim",
                advice='For example claims = { repository = "org/name" }; without an issuer, sub = "spiffe://…".',
            )
    for name, provider in settings.providers.items():
        if not name.replace("-", "").replace("_", "").isalnum():
            raise ConfigFault(f"{source}: a provider's name has letters, digits, '-' and '_' only")
        if not provider.upstream.startswith(("https://", "http://")):
            raise ConfigFault(
                f"{source}: providers.{name}.upstream must begin with https:// (or http:// on a loopback address)"
            )
    _check_ladder(settings, source)
    _check_accounts(settings, source)
    _check_resources(settings, source)
    return settings


def _check_resources(settings: Settings, source: str) -> None:
    """Refuse a resource that no grant could name, or that lacks what its broker needs. Raises `ConfigFault`."""
    for name, row in settings.resources.items():
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
            raise ConfigFault(f"{source}: a resource's name has letters, digits, '-' and '_' only")
        if not row.secret_env:
            raise ConfigFault(
                f"{source}: resources.{name}.secret_env is empty", advice="Name a variable of the gateway."
            )
        if row.backend == "static" and not row.upstream.startswith(("https://", "http://127.0.0.1", "http://[::1]")):
            raise ConfigFault(
                f"{source}: resources.{name}.upstream must begin with https://",
                advice="Say where the secret goes; nothing else ever gets it.",
            )
        if row.backend == "ssh" and not all(level.principals for level in row.levels.values() or [Level()]):
            raise ConfigFault(
                f"{source}: resources.{name} needs levels with principals",
                advice='[resources.NAME.levels.login] with principals = ["deploy"].',
            )


def _check_accounts(settings: Settings, source: str) -> None:
    """Refuse an account that nothing can fit, and a budget with a name that is taken. Raises `ConfigFault`."""
    for name, account in settings.accounts.items():
        if settings.provider(account.provider) is None:
            raise ConfigFault(f"{source}: accounts.{name}.provider must name a provider")
        if not account.organisations and not account.keys:
            raise ConfigFault(
                f"{source}: accounts.{name} must say how it is recognised",
                advice="Give organisations, or keys: `poundlock vendors fingerprint VARIABLE` makes a key's digest.",
            )
        if not all(re.fullmatch(r"sha256:[0-9a-f]{32}", key) for key in account.keys):
            raise ConfigFault(
                f"{source}: accounts.{name}.keys holds something that is no digest",
                advice="Never write a key here: `poundlock vendors fingerprint VARIABLE` makes its digest.",
            )
    if "pattern" in settings.budgets:
        raise ConfigFault(f"{source}: budgets.pattern: this name is taken", advice="Choose another name.")


def _check_ladder(settings: Settings, source: str) -> None:
    """Refuse a model inside the boundary that is none, and a sandbox that is for everything. Raises `ConfigFault`."""
    if settings.local.provider:
        provider = settings.provider(settings.local.provider)
        if provider is None or not provider.local:
            raise ConfigFault(
                f"{source}: local.provider must name a provider with local = true",
                advice='Add [providers.NAME] with upstream = "http://127.0.0.1:…" and local = true.',
            )
    for sandbox in settings.sandboxes:
        if not (sandbox.people or sandbox.tools or sandbox.providers):
            raise ConfigFault(f"{source}: a sandbox must name people, tools or providers: it is never for everything")


_TABLES: dict[str, tuple[str, type[msgspec.Struct]]] = {
    "providers": ("providers.NAME.", Provider),
    "resources": ("resources.NAME.", Resource),
    "identity.workloads": ("identity.workloads.NAME.", Workload),
    "resources.NAME.levels": ("resources.NAME.levels.LEVEL.", Level),
    "rollout": ("rollout.", Rollout),
    "sandboxes": ("sandboxes.", Sandbox),
    "accounts": ("accounts.NAME.", Account),
    "repositories": ("repositories.NAME.", Repository),
    "budgets": ("budgets.NAME.", Budget),
}


def describe() -> list[tuple[str, str, str, str]]:
    """Give every setting as (name, type, default, description), in the order of the file, for the reference."""
    rows: list[tuple[str, str, str, str]] = []

    def section(prefix: str, struct: type[msgspec.Struct]) -> None:
        inner: list[tuple[str, type[msgspec.Struct]]] = []  # TOML wants a table's own settings before its tables.
        for field in msgspec.structs.fields(struct):
            kind: Any = field.type
            if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
                inner.append((f"{prefix}{field.name}.", kind))
                continue
            if prefix + field.name in _TABLES:
                inner.append(_TABLES[prefix + field.name])
                continue
            description = next(
                (str(meta.description) for meta in getattr(kind, "__metadata__", ()) if isinstance(meta, Meta)), ""
            )
            plain = getattr(kind, "__origin__", kind)
            value = {} if field.default_factory is dict else field.default
            default = "required" if value is msgspec.NODEFAULT else msgspec.json.encode(value).decode()
            name = getattr(plain, "__name__", str(plain)) if isinstance(plain, type) else str(plain)
            rows.append((prefix + field.name, name.replace("typing.", ""), default, description))
        for prefix_of, struct_of in inner:
            section(prefix_of, struct_of)

    section("", Settings)
    return rows
