"""Where restored text would go: to the reader, a local file, a local command, or out over a network.

A conservative rule by the names of tools and the words of commands. It is data (the tables below) and one linear
reading of the words; a command that can't be understood counts as bound for a network. It must never say "local" of
what it has not read to the end, and never judge what policy makes of its answer.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from poundlock.core.actions import programs
from poundlock.core.actions.networks import PROGRAMS, SUBCOMMANDS, WORDY_PROGRAMS
from poundlock.core.model import Sink

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ToolKind = Literal["file", "command", "function", "remote"]


def _words(table: str) -> frozenset[str]:
    return frozenset(table.split())


# Tools by their names in lower case without punctuation, so that `MultiEdit` and `multi_edit` are one.
# Claude Code, Codex, Gemini CLI, Cursor, Copilot, Cline, opencode, aider, Continue, Qwen Code, the vendors' own tools.
_FILE_TOOLS = _words(
    """
    read write edit multiedit notebookedit notebookread glob grep ls list cat view create insert replace patch
    readfile writefile editfile createfile deletefile renamefile movefile copyfile appendfile openfile savefile
    readfiles readmanyfiles writefiles readtextfile readmediafile writetofile replaceinfile replaceinfiles
    searchandreplace searchreplace applydiff applypatch insertcontent insertedit insertedits insertintofile
    inserteditintofile strreplace strreplaceeditor strreplacebasededittool texteditor texteditortool
    replacestringinfile multireplacestringinfile replacefilecontent createdirectory makedirectory mkdir
    listdirectory listdir listfiles directorytree filesearch searchfiles searchfilecontent findfiles fileglobsearch
    globsearch grepsearch greptool listcodedefinitionnames readnotebook editnotebook editnotebookfile
    createnewfile createnewworkspace editexistingfile singlefindandreplace multiedittool readcurrentlyopenfile
    readfilerange viewdiff viewsubdirectory createorupdatelocalfile getfileinfo readlints reapply
    """
)
_COMMAND_TOOLS = _words(
    """
    bash bashtool shell shelltool sh zsh powershell pwsh cmd terminal run runcommand runcommands runshell
    runshellcommand runterminalcommand runterminalcmd runinterminal runinshell execute executecommand executeshell
    executeshellcommand executebash exec execcommand localshell localshellcall containerexec writestdin
    unifiedexec shellcommand runbash runpython python pythontool ipython executepython codeinterpreter executecode
    codeexecution bashcodeexecution runcode runtests runtask runtests createandruntask runnotebookcell console
    interactiveshell repl
    """
)
# A tool with one of these words in its name reaches out.
_REMOTE_WORDS = _words(
    """
    mcp http https fetch web url uri browse browser search send mail email post upload slack issue issues comment
    webhook request publish push tweet sms notify notification pr gist github gitlab jira linear notion confluence
    discord teams telegram api remote download crawl scrape navigate deploy message
    """
)
_WORDS_OF_A_NAME = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_SUBCOMMAND_REACH = 8
# Clients of servers that may be local: with a host that is not this machine.
_CLIENTS = _words(
    "psql pg_dump pg_restore mysql mysqldump mariadb redis-cli valkey-cli mongosh mongo mongodump sqlcmd "
    "clickhouse-client cqlsh influx etcdctl sqlplus"
)
_CLIENTS_OF_A_HOST = frozenset({"mongosh", "mongo", "cqlsh"})
_HOST_OPTIONS = _words("-h --host -host -s --server --endpoints host hostaddr server pghost pghostaddr")
_LOCAL_HOSTS = frozenset({"", "localhost", "127.0.0.1", "::1"})
_CLIENT_REACH = 24
_INTERPRETERS = re.compile(
    r"(?<![a-z0-9])(?:python|pypy|node|nodejs|deno|bun|tsx|ruby|irb|perl|php|lua|pwsh|powershell|osascript|java|jshell|"
    r"groovy|rscript|julia|elixir|erl|ghci|swift|awk|gawk|tclsh|emacs|vim|nvim)[0-9.]*(?![a-z])"
)
# What programs in those languages say when they talk over a network.
_CODE_WORDS = re.compile(
    r"(?<![a-z0-9_])(?:requests|urllib[23]?|httpx|aiohttp|pycurl|httplib2?|http|https|socket|socketserver|smtplib|ftplib|"
    r"telnetlib|poplib|imaplib|xmlrpc|paramiko|fabric|boto3?|botocore|websockets?|grpc|pika|kafka|dns|fetch|axios|undici|"
    r"superagent|xmlhttprequest|net|tls|dgram|open-uri|faraday|m?lwp|tcpsocket|udpsocket|sockaddr_in|fsockopen|"
    r"curl_init|curl_exec|stream_socket_client|webclient|httpclient|tcpclient|urlopen|urlsession|inet|gen_tcp)(?![a-z0-9_])"
)
_SHELLS = _words("sh bash zsh dash ksh ash fish csh tcsh mksh eval source")
# What turns bytes that nobody can read into a command.
_DECODERS = re.compile(
    r"(?<![a-z0-9])(?:base64|base32|basenc|openssl|gpg|uudecode|xxd|od|rev|tr|b64decode|frombase64string|unhexlify|"
    r"fromcharcode|atob|gunzip|zcat|gzip|bzcat|xzcat|printf)(?![a-z0-9])"
)
_ADDRESS = re.compile(r"@[a-z0-9.-]{1,253}:[a-z0-9/~._-]")  # user@host:path
_LOCAL_SCHEME = re.compile(r"(?<![a-z0-9+.-])file\Z")
_SEPARATORS = re.compile(r"[\s;|&()<>`\"'{}\[\],=]+")
# Quoting and empty expansions, which can split a word without changing it.
_QUOTING = re.compile(r"\\\r?\n|['\"\\^]|\$[@*]|\$\(\)|``|\$\{[^{}\s]{0,64}\}")
_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|x([0-9a-f]{2}))")
# A command's first word, after assignments, wrappers and their options.
_COMMAND = re.compile(
    r"(?:^|[;|&(`\n{])[ \t]*+"
    r"(?:(?:[a-z_][a-z0-9_]*+\+?=[^\s;|&()`]*+|-[a-z0-9-]++|\d++[smh]?|sudo|doas|env|exec|nohup|time|nice|command|builtin|"
    r"xargs|then|do|else|elif|if|while|until|!|timeout|stdbuf|setsid|watch)[ \t]++){0,8}"
    r"([^\s;|&()`]++)",
    re.MULTILINE,
)
_ASSIGNMENT = re.compile(r"[a-z_][a-z0-9_]*+(?:\[[^\]]*+\])?\+?=")
_EXPANDED = re.compile(r"[$*?\[]")
_UNREADABLE = re.compile(r"\$'[^'\\]{0,200}\\|(?<![a-z0-9-])-[a-z]{0,8}c[ \t\n]{1,8}[\"']?\$")


def classify(tool: str) -> ToolKind:
    """Say what kind of sink the tool of this name is; one that nobody knows is a `function`."""
    if "__" in tool.strip("_"):
        return "remote"  # server__tool, as agents name the tools of MCP servers
    plain = re.sub(r"[^a-z0-9]", "", tool.lower())
    if plain in _FILE_TOOLS:
        return "file"
    if plain in _COMMAND_TOOLS:
        return "command"
    words = {word.lower() for word in _WORDS_OF_A_NAME.findall(tool)}
    if not _REMOTE_WORDS.isdisjoint(words) or not _REMOTE_WORDS.isdisjoint(re.split(r"[^a-z0-9]+", tool.lower())):
        return "remote"
    return "function"


def judge(tool: str, texts: Iterable[str]) -> Sink:
    """Give the sink of a whole call: `texts` are all strings of its arguments, decoded, in their order."""
    kind = classify(tool)
    if kind in ("file", "remote"):
        return Sink(kind=kind, tool=tool, network=kind == "remote")
    given = list(texts)
    network = reaches_out("\n".join(given), command=kind == "command")
    if network and kind == "command":
        # A word that names a network program may be something that a local one looks for or writes.
        suspects = [text for text in given if reaches_out(text, command=True)]
        others = "\n".join(text for text in given if text not in suspects)
        network = not suspects or reaches_out(others, command=True) or not all(map(programs.stays, suspects))
    return Sink(kind=kind, tool=tool, network=network)


_FETCHERS = re.compile(
    r"(?<![\w.-])(?:curl|wget|http|https|xh|lynx|w3m|links|elinks|aria2c|gh|glab|ssh|invoke-webrequest|iwr|"
    r"requests|urllib|httpx|aiohttp|fetch|axios)(?![\w-])|git\s+(?:clone|fetch|pull)|(?:https?|ftp)://"
)


def fetches(text: str) -> bool:
    """Whether a command would bring text from a network: by its words, and not where it only names them."""
    return _FETCHERS.search(text.lower()) is not None and not programs.stays(text)


def in_doubt(tool: str) -> Sink:
    """Give the sink of a call whose arguments can't be read."""
    kind = classify(tool)
    return Sink(kind=kind, tool=tool, network=kind != "file")


def reaches_out(text: str, *, command: bool = True) -> bool:
    """Whether anything in `text` names a network program, a URL or a remote host, or can't be read."""
    return any(_names_network(reading, command=command) for reading in _readings(text))


def _readings(text: str) -> Iterator[str]:
    """Give the ways to read `text`: as it is, with escapes decoded, without the quoting that may split a word."""
    lower = text.lower()
    for reading in dict.fromkeys((lower, _ESCAPE.sub(_decoded, lower).lower())):
        yield reading
        bare = _QUOTING.sub("", reading)
        if bare != reading:
            yield bare


def _decoded(match: re.Match[str]) -> str:
    return chr(int(match[1] or match[2], 16))


def _names_network(text: str, *, command: bool) -> bool:
    """Whether one reading of the text does."""
    pieces = text.split("://")
    if any(not _LOCAL_SCHEME.search(piece[-8:]) for piece in pieces[:-1]):
        return True
    if "/dev/tcp/" in text or "/dev/udp/" in text or "mailto:" in text or _ADDRESS.search(text):
        return True
    words = _SEPARATORS.split(text)
    if _names_program(words) or (_INTERPRETERS.search(text) and _CODE_WORDS.search(text)):
        return True
    commands = [(text[match.start()], match[1]) for match in _COMMAND.finditer(text)]
    if any(_base(word) in WORDY_PROGRAMS for _, word in commands):
        return True
    return command and _hides(text, words, commands)


def _base(word: str) -> str:
    """Give a program's name without its directory and the ending that Windows gives it."""
    return word[max(word.rfind("/"), word.rfind("\\")) + 1 :].strip("\"'").removesuffix(".exe")


def _names_program(words: Sequence[str]) -> bool:
    """Whether a program among `words` talks over a network."""
    for index, word in enumerate(words):
        name = _base(word)
        if name in PROGRAMS:
            return True
        subcommands = SUBCOMMANDS.get(name)
        if subcommands and not subcommands.isdisjoint(words[index + 1 : index + 1 + _SUBCOMMAND_REACH]):
            return True
        if name in _CLIENTS and _has_remote_host(words[max(0, index - _CLIENT_REACH) : index + _CLIENT_REACH]):
            return True
        if name in _CLIENTS_OF_A_HOST and any(_is_remote(each) for each in words[index + 1 : index + 2]):
            return True
    return False


def _has_remote_host(words: Sequence[str]) -> bool:
    """Whether the words around a server's client name a host other than this machine."""
    for word, following in pairwise((*words, "")):
        if word in _HOST_OPTIONS and following not in _LOCAL_HOSTS and not following.startswith(("/", ".")):
            return True
        if word.startswith("-h") and word not in ("-h", "-help") and word[2:] not in _LOCAL_HOSTS:
            return True
    return False


def _is_remote(word: str) -> bool:
    """Whether a client's first argument is a host or an address other than this machine."""
    host = re.split(r"[:/]", word)[0]
    return not word.startswith("-") and host not in _LOCAL_HOSTS and any(mark in word for mark in ".:/")


def _hides(text: str, words: Sequence[str], commands: Sequence[tuple[str, str]]) -> bool:
    """Whether a shell would run something that does not stand in the text."""
    if _UNREADABLE.search(text) or "eval" in words:
        return True
    if not _SHELLS.isdisjoint(map(_base, words)) and _DECODERS.search(text):
        return True
    for before, word in commands:
        name = _base(word)
        if before == "|" and name in _SHELLS:
            return True
        if _EXPANDED.search(name) and name not in ("[", "[[") and not _ASSIGNMENT.match(word):
            return True
    return False
