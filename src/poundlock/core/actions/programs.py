"""What programs do, as tables: which talk over a network, run other commands, read, write, publish or gain rights.

Data and the reading of one command's words; it must never guess that an unknown program is harmless: who asks is told
that it is `unknown`.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from poundlock.core.actions.shell import Command, Word, parse, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DEEPEST = 6
"""How many commands may run one another (`sudo env bash -c "…"`)."""


# Programs that only read, write or print on this machine, whatever their arguments are.
LOCAL = table(
    """
    : [ true false test echo printf pwd cd pushd popd ls dir tree stat file cat tac bat nl head tail less more wc sort
    uniq cut paste tr rev fold fmt column comm join diff cmp sdiff colordiff patch grep egrep fgrep rg ag ack look fd
    locate which whereis type hash realpath readlink basename dirname mkdir rmdir touch cp mv rm ln chmod chown chgrp
    mktemp tee dd truncate shred split csplit sum cksum md5sum sha1sum sha256sum sha512sum b2sum base64 base32 xxd od
    hexdump strings gzip gunzip zcat bzip2 bunzip2 xz unxz zstd tar zip unzip unzipinfo jq yq xmllint tidy seq yes
    date cal sleep wait kill pkill killall ps top htop pgrep jobs fg bg uname hostname whoami id groups uptime free df
    du lsblk mount env printenv export set unset shopt alias unalias local declare typeset readonly read let shift
    return exit break continue getopts umask ulimit history clear tput stty tty expr bc dc factor iconv dos2unix
    unix2dos expand unexpand shuf tsort numfmt getconf lscpu nproc arch sync cloc tokei scc
    ruff black isort mypy pyright flake8 pylint pytest tox nox coverage eslint prettier tsc jest vitest mocha
    shellcheck shfmt hadolint yamllint markdownlint rubocop rspec sed gofmt goimports golint staticcheck rustfmt clippy
    clang-format clang-tidy gcc g++ cc c++ clang clang++ ld ar nm objdump readelf ldd cmake ninja ctest javac
    """
)
# What these do with the files that their words name.
WRITERS = table("cp mv rm ln chmod chown chgrp mkdir rmdir touch tee dd truncate shred patch install unzip rsync")
WRITE_LAST = table("cp mv ln install rsync")
READERS = table(
    """
    cat tac bat nl head tail less more wc sort uniq cut paste fold fmt column comm join diff cmp sdiff grep egrep fgrep
    rg ag ack cp mv base64 base32 xxd od hexdump strings gzip gunzip zcat bzip2 xz zstd tar zip jq yq xmllint source .
    awk gawk sed python python3 node ruby perl php openssl gpg age sops scp rsync
    """
)
# The first word of these is an expression, not a file.
EXPRESSION_FIRST = table("grep egrep fgrep rg ag ack sed awk gawk jq yq tr")

# Options with which a program runs another one.
_EXECUTING = re.compile(
    r"-c$|-ex$|--(?:to-command|checkpoint-action|pre|compress-program|filter|exec\w*|upload-pack|receive-pack|ssh-command|"
    r"rsh|use-compress-program|hook|command|eval)(?:=|$)"
)

# `e` runs a command, as one of sed's own commands and as a flag of its substitutions.
_SED_RUNS = re.compile(
    r"(?:^|[;{}\n/$0-9])\s*e(?:\s|$|;)|(?:^|[;{}\n\s/$0-9])s([^\w\s]).*\1.*\1[gpiImM0-9]*e", re.DOTALL
)

# Subcommands that stay on this machine.
LOCAL_SUBCOMMANDS = {
    "git": table(
        """
        status diff log show add commit rm mv restore checkout switch branch tag stash reset rebase merge cherry-pick
        revert blame grep init config rev-parse rev-list ls-files ls-tree cat-file describe shortlog reflog bisect
        worktree clean apply am format-patch notes range-diff diff-tree diff-index symbolic-ref update-index merge-base
        name-rev var check-ignore check-attr count-objects fsck gc hash-object show-ref for-each-ref whatchanged
        """
    ),
    "npm": table("test t run run-script start ls list pkg version explain fund root prefix bin"),
    "pnpm": table("test run start ls list"),
    "yarn": table("test run start list"),
    "cargo": table("build test check clippy fmt doc bench run clean tree metadata"),
    "go": table("build test vet fmt run list env doc generate version"),
    "pip": table("list show freeze check"),
    "pip3": table("list show freeze check"),
    "docker": table("ps images logs inspect stats top version"),
    "kubectl": table("config"),
}

# Programs that run the command in their words: their options that take a value, and how many words come before it.
_RUNNERS: dict[str, tuple[frozenset[str], int]] = {
    "sudo": (table("-u -g -h -p -C -T -U -R -D -r -t --user --group --host --prompt --chdir"), 0),
    "doas": (table("-u -C"), 0),
    "env": (table("-u --unset -C --chdir"), 0),
    "nohup": (frozenset(), 0),
    "time": (table("-f -o --format --output"), 0),
    "nice": (table("-n --adjustment"), 0),
    "ionice": (table("-c -n -p"), 0),
    "timeout": (table("-k -s --kill-after --signal"), 1),
    "gtimeout": (table("-k -s --kill-after --signal"), 1),
    "stdbuf": (table("-i -o -e --input --output --error"), 0),
    "setsid": (frozenset(), 0),
    "command": (frozenset(), 0),
    "builtin": (frozenset(), 0),
    "exec": (table("-a"), 0),
    "xargs": (table("-I -n -P -L -d -a -s -E --replace --max-args --max-procs --delimiter --arg-file"), 0),
    "watch": (table("-n --interval"), 0),
    "coproc": (frozenset(), 0),
    "chronic": (frozenset(), 0),
    "unbuffer": (frozenset(), 0),
    "catchsegv": (frozenset(), 0),
    "flock": (table("-w --timeout -E"), 1),
    "busybox": (frozenset(), 0),
    "toybox": (frozenset(), 0),
    "strace": (table("-e -o -s -p"), 0),
    "ltrace": (table("-e -o -s -p"), 0),
    "caffeinate": (table("-t -w"), 0),
    "dotenv": (table("-f -e"), 0),
    "direnv": (frozenset(), 2),
    "noglob": (frozenset(), 0),
}
_RUN_SUBCOMMANDS = {
    "uv": "run",
    "poetry": "run",
    "pipenv": "run",
    "hatch": "run",
    "rye": "run",
    "pdm": "run",
    "bundle": "exec",
    "npm": "exec",
    "pnpm": "exec",
    "mise": "exec",
    "asdf": "exec",
}
SHELLS = table("sh bash zsh dash ksh ash mksh fish")
INTERPRETERS = table(
    """
    python python2 python3 pypy pypy3 ipython node nodejs deno bun tsx ts-node ruby irb perl php lua luajit osascript
    java jshell groovy rscript julia elixir erl ghci swift tclsh awk gawk mawk emacs vim nvim ex ed pwsh powershell
    """
)
_CODE_OPTIONS = table("-c -e -E -r -pe -ne -ane -lane -p --eval --print --command -Command --expression")
_PRIVILEGED = table(
    """
    sudo doas su pkexec runuser setcap setfacl visudo passwd chpasswd usermod useradd groupadd gpasswd chroot nsenter
    unshare insmod modprobe iptables nft ufw systemctl launchctl crontab at mount umount sysctl
    """
)
_CREDENTIAL = table(
    """
    pass gopass op bw lpass keepassxc-cli secret-tool security vault gpg age sops ssh-add ssh-agent ssh-keygen
    aws-vault gcloud-auth kinit keyctl htpasswd
    """
)
_CREDENTIAL_WORDS = {
    "gh": table("auth secret"),
    "aws": table("configure sts secretsmanager ssm iam"),
    "gcloud": table("auth secrets iam"),
    "az": table("login keyvault ad"),
    "kubectl": table("secret secrets"),
    "docker": table("login secret"),
    "npm": table("login token adduser"),
    "heroku": table("auth"),
    "git": table("credential"),
}
_RELEASE = {
    "git": table("push send-pack"),
    "npm": table("publish dist-tag unpublish"),
    "pnpm": table("publish"),
    "yarn": table("publish"),
    "cargo": table("publish yank"),
    "gem": table("push"),
    "twine": table("upload"),
    "uv": table("publish"),
    "poetry": table("publish"),
    "hatch": table("publish"),
    "flit": table("publish"),
    "docker": table("push"),
    "podman": table("push"),
    "helm": table("install upgrade push uninstall"),
    "kubectl": table("apply create delete patch replace scale rollout edit set"),
    "terraform": table("apply destroy import"),
    "tofu": table("apply destroy import"),
    "pulumi": table("up destroy"),
    "gh": table("release pr merge"),
    "serverless": table("deploy"),
    "vercel": table("deploy --prod"),
    "netlify": table("deploy"),
    "wrangler": table("deploy publish"),
    "fly": table("deploy"),
    "flyctl": table("deploy"),
    "ansible-playbook": frozenset(),
    "mvn": table("deploy release:perform"),
}
# How a program is told to send a file's content.
_UPLOADS = {
    "curl": re.compile(r"-(?:d|F|T)$|--(?:data|data-binary|data-raw|data-urlencode|json|form|upload-file)$|-[dT].|-F."),
    "wget": re.compile(r"--(?:post-file|post-data|body-file|body-data)(?:=|$)"),
    "http": re.compile(r"\S+@\S|<"),
    "xh": re.compile(r"\S+@\S"),
}
SENDERS = table(
    "scp sftp rsync ftp lftp tftp nc ncat netcat socat rclone s3cmd s5cmd gsutil azcopy croc wormhole twine"
)

_URL = re.compile(r"\A[a-z][a-z0-9+.-]{1,20}://(?:[^/?#@\s]*@)?(\[[0-9a-f:.]+\]|[^/:?#\s\0]*)", re.IGNORECASE)
_REMOTE_PATH = re.compile(r"\A(?:[\w.-]+@)?([\w.-]+\.[\w.-]+|[\w.-]+@[\w.-]+):(?!//)")
_NAMED_HOST = re.compile(r"\A(?:[\w.-]+@)?([a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)+)\Z", re.IGNORECASE)


class Reading(NamedTuple):
    """What one simple command does."""

    program: str
    classes: frozenset[str]
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    sends: bool = False
    known: bool = False
    code: str = ""


def name_of(word: str) -> str:
    """Give a program's name without its directory and the ending that Windows gives it."""
    return word[max(word.rfind("/"), word.rfind("\\")) + 1 :].lower().removesuffix(".exe")


def unwrapped(command: Command, depth: int = 0) -> Iterator[tuple[Command, bool]]:
    """Give a command and all that it runs in its words, each with whether it could be read."""
    if not command.words:
        yield command, True
        return
    program = name_of(command.words[0].text)
    yield command, command.words[0].literal
    if depth >= DEEPEST:
        yield command, False
        return
    rest = command.words[1:]
    if program in SHELLS or program in {"eval", "trap", "su", "script", "watch"}:
        yield from _shelled(command, program, rest, depth)
    elif program in _RUNNERS:
        yield from _inner(command, _after_options(program, rest), depth)
    elif program in _RUN_SUBCOMMANDS and rest and rest[0].text == _RUN_SUBCOMMANDS[program]:
        inner = [word for word in rest[1:] if word.text != "--"]
        while inner and inner[0].text.startswith("-"):
            inner.pop(0)
        yield from _inner(command, inner, depth)
    elif program in {"find", "fd", "fdfind"}:
        yield from _found(command, rest, depth)


def _inner(command: Command, words: Sequence[Word], depth: int) -> Iterator[tuple[Command, bool]]:
    if words:
        yield from unwrapped(command._replace(words=tuple(words), assignments=()), depth + 1)


def _after_options(program: str, rest: Sequence[Word]) -> Sequence[Word]:
    """Give the words after a runner's own options, values and leading words."""
    valued, leading = _RUNNERS[program]
    at = 0
    while at < len(rest):
        text = rest[at].text
        if text == "--":
            at += 1
            break
        if program == "env" and "=" in text and not text.startswith("-"):
            at += 1
        elif text.startswith("-") and text != "-":
            at += 2 if text in valued else 1
        elif leading:
            leading -= 1
            at += 1
        else:
            break
    return rest[at:]


def _shelled(command: Command, program: str, rest: Sequence[Word], depth: int) -> Iterator[tuple[Command, bool]]:
    """Give what a shell is told to run: in a word, from a here-document, or from something that nobody can read."""
    text: Word | None = None
    if program == "eval":
        text = Word(" ".join(word.text for word in rest), all(word.literal for word in rest))
    elif program in {"trap", "watch"}:
        text = next((word for word in rest if not word.text.startswith("-")), None)
    else:
        for index, word in enumerate(rest):
            if word.text.startswith("-") and not word.text.startswith("--") and "c" in word.text:
                text = rest[index + 1] if index + 1 < len(rest) else None
                break
        else:
            script = next((word for word in rest if not word.text.startswith("-")), None)
            if script is not None and (not script.literal or script.text.startswith(("/dev/", "/proc/"))):
                yield command, False  # a file that only the shell knows, such as what another command prints
                return
            if script is None and program in SHELLS:
                text = command.given
                if text is None:
                    # It reads its commands from a pipe, or waits for a person.
                    yield command, not command.piped
                    return
    if text is None:
        return
    inner = parse(text.text)
    yield command, text.literal and inner.readable
    for each in inner.commands:
        yield from unwrapped(each, depth + 1)


def _found(command: Command, rest: Sequence[Word], depth: int) -> Iterator[tuple[Command, bool]]:
    """Give what `find` runs for each file."""
    for index, word in enumerate(rest):
        if word.text in {"-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec", "--exec-batch"}:
            inner: list[Word] = []
            for each in rest[index + 1 :]:
                if each.text in {";", "+"}:
                    break
                inner.append(each)
            yield from _inner(command, inner, depth)


def read(command: Command, network: frozenset[str], subcommands: dict[str, frozenset[str]]) -> Reading:
    """Say what one command does by its name and its words; `network` and `subcommands` name what reaches out."""
    words = [word.text for word in command.words]
    program = name_of(words[0]) if words else ""
    rest = words[1:]
    flags = tuple(f"{program} {word.split('=')[0]}" for word in rest if word.startswith("-") and len(word) > 1)
    plain = [word for word in rest if not word.startswith("-")]
    subcommand = next((word for word in plain if "=" not in word), "")
    hosts = tuple(dict.fromkeys(host for word in words for host in _hosts(program, word)))
    classes: set[str] = set()
    if program in network or not subcommands.get(program, frozenset()).isdisjoint(rest[:8]) or hosts:
        classes.add("network")
    if program in _PRIVILEGED:
        classes.add("privilege")
    if program in _CREDENTIAL or not _CREDENTIAL_WORDS.get(program, frozenset()).isdisjoint(plain[:3]):
        classes.add("credential")
    if program in _RELEASE and (not _RELEASE[program] or not _RELEASE[program].isdisjoint(rest[:4])):
        classes.add("release")
    reads, writes = _files(program, plain, command)
    if reads:
        classes.add("read")
    if writes:
        classes.add("write")
    known = program in LOCAL or subcommand in LOCAL_SUBCOMMANDS.get(program, frozenset()) or program == ""
    runs = program in SHELLS or program in INTERPRETERS or program in _RUNNERS or program in {"find", "fd"}
    if not known or program in SHELLS or program in INTERPRETERS:
        classes.add("execute")
    pattern = _UPLOADS.get(program)
    sends = program in SENDERS or bool(pattern and any(pattern.match(word) for word in rest))
    sends = sends or ("network" in classes and (command.piped or command.given is not None))
    return Reading(
        program, frozenset(classes), reads, writes, hosts, flags, sends, known or runs, _code(program, command)
    )


def stays(text: str) -> bool:
    """Whether a command line can be read to its end, and runs only programs that stay on this machine.

    Interpreters and programs that nobody listed are not among them, whatever their words say.
    """
    script = parse(text)
    each = [pair for command in script.commands for pair in unwrapped(command)]
    return script.readable and bool(each) and all(plain and _stays(command) for command, plain in each)


def _stays(command: Command) -> bool:
    words = [word.text for word in command.words]
    if any("/dev/tcp/" in each.target.text or "/dev/udp/" in each.target.text for each in command.redirections):
        return False
    if not words:
        return True
    program = name_of(words[0])
    if program in SHELLS or program in _RUNNERS or program in {"eval", "trap", "find"}:
        return command.words[0].literal  # what it runs is judged by itself
    if any(_EXECUTING.match(word) for word in words[1:]):
        return False
    if program == "sed" and any(_SED_RUNS.search(word) for word in words[1:]):
        return False
    local = LOCAL_SUBCOMMANDS.get(program)
    if local is not None:
        subcommand = next((word for word in words[1:] if not word.startswith("-")), "")
        return subcommand in local
    return program in LOCAL


def _code(program: str, command: Command) -> str:
    """Give the code that an interpreter gets in its words or from a here-document."""
    if program.rstrip("0123456789.") not in INTERPRETERS and program not in INTERPRETERS:
        return ""
    words = command.words
    parts = [command.given.text] if command.given else []
    for index, word in enumerate(words[:-1]):
        if word.text in _CODE_OPTIONS:
            parts.append(words[index + 1].text)
    if program in {"awk", "gawk", "mawk"}:
        parts += [word.text for word in words[1:]]
    return "\n".join(parts)


def _files(program: str, plain: Sequence[str], command: Command) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the files that a command reads and writes, as far as its words and redirections name them."""
    reads: list[str] = []
    writes: list[str] = []
    for redirection in command.redirections:
        target = redirection.target.text
        if not target.isdigit() and target != "/dev/null":
            (reads if redirection.operator.startswith("<") else writes).append(target)
    named = [word for word in plain if word != "-"]
    if program in EXPRESSION_FIRST and program != "tr":
        named = named[1:]
    if program in WRITE_LAST and named:
        writes.append(named[-1])
        named = named[:-1]
        reads += named
    elif program in WRITERS:
        writes += named
    elif program in READERS:
        reads += named
    if program in {"sed", "perl"} and any(word.text.startswith("-i") for word in command.words):
        writes += named
    for word in (word.text for word in command.words[1:]):
        if word.startswith("@") and len(word) > 1:
            reads.append(word[1:])
        elif "=@" in word:
            reads.append(word.partition("=@")[2])
        elif word.startswith("--") and "=" in word and program in {"wget", "gpg", "tar", "dd"}:
            reads.append(word.partition("=")[2])
        elif word.startswith("if=") and program == "dd":
            reads.append(word[3:])
    if program == "curl":
        words = [word.text for word in command.words]
        for option, following in pairwise(words):
            if option in {"-T", "--upload-file"}:
                reads.append(following)
            elif option in {"-o", "--output"}:
                writes.append(following)
    return tuple(dict.fromkeys(reads)), tuple(dict.fromkeys(writes))


def _hosts(program: str, word: str) -> Iterator[str]:
    """Give the hosts that a word names: in a URL, as `user@host:path`, or as the word itself of `ssh` and its like."""
    text = word.partition("=")[2] if word.startswith("--") and "=" in word else word
    if (url := _URL.match(text)) is not None:
        if not text.lower().startswith("file:"):
            yield url[1].lower()
    elif (remote := _REMOTE_PATH.match(text)) is not None and program not in LOCAL:
        yield remote[1].rpartition("@")[2].lower()
    elif program in _HOST_TAKERS and (host := _NAMED_HOST.match(text)) is not None:
        yield host[1].lower()


_HOST_TAKERS = table("ssh scp sftp rsync ftp telnet nc ncat netcat socat ping dig host nslookup curl wget http xh mosh")
