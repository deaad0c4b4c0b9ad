"""Text that gives orders to an assistant: instructions hidden in what an agent reads.

Signs are counted by what they are for (setting its instructions aside, speaking to it, keeping something from its
person, carrying something out, being invisible); one kind alone is ordinary, the dangerous ones together are not. Text
that talks *about* injection, and orders in quotes, count less. Everything is one pass of linear patterns over a bounded
text. It must never look at what a person typed, and never judge by one word.
"""

# ruff: noqa: E501 (a pattern reads best in one piece)

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from typing import NamedTuple

LONGEST = 262_144
"""Characters of a text that are looked at; longer ones in pieces, as they come."""
ORDERED = 60
"""A score from which a text counts as one that gives orders. Scores go from 0 to 100."""
_DECODED = 8192
_DEPTH = 2


class Sign(NamedTuple):
    """One sign: what it is for, and where it stands, in code points of the text as it was given."""

    kind: str
    start: int
    end: int


class Orders(NamedTuple):
    """What was found: a score, its signs, and why in words."""

    score: int
    signs: tuple[Sign, ...]
    reasons: tuple[str, ...]


NONE = Orders(0, (), ())

_ASSISTANT = (
    r"(?:ai|a\.i\.|llms?|language models?|chat ?bots?|(?:ai |coding |virtual )?(?:assistants?|agents?|copilots?)|"
    r"(?:ai )?models?|claude|chatgpt|gpt(?:-\w+)?|copilot|gemini|cursor|codex|ki-?assistent\w*|asistente|assistente|assistant)"
)
_PREVIOUS = (
    r"(?:previous(?:ly)?|prior|above|earlier|preceding|foregoing|original|initial|existing|other|former|old|system|your|"
    r"all|any|the|these|those|what(?:ever)?)"
)
_RULES = (
    r"(?:instructions?|prompts?|rules?|guidelines?|directives?|directions?|commands?|orders?|polic(?:y|ies)|constraints?|"
    r"restrictions?|context|messages?|programming|training|safeguards?|guardrails?|tasks?|requests?|told)"
)
_SECRETS = (
    r"(?:secrets?|credentials?|api[ _-]?keys?|access[ _-]?keys?|private keys?|ssh keys?|tokens?|passwords?|\.env\b|env(?:ironment)? "
    r"(?:vars?|variables?|file)|id_rsa|id_ed25519|\.aws/credentials|\.ssh/|\.netrc|\.npmrc|keychain|wallet|seed phrase|"
    r"system prompt|conversation|chat history|(?:user'?s? )?(?:data|files?|e-?mails?|messages?|contacts)|source code|repository|"
    r"/etc/(?:passwd|shadow)|cookies?|contents? of)"
)
_CARRY = (
    r"(?:send|post|upload|forward|e-?mail|exfiltrate|transmit|leak|deliver|submit|report|append|attach|include|embed|copy|paste|"
    r"encode|put|add|pass|write|commit|push|share|disclose|reveal|output|print|insert)"
)
_PLACE = (
    r"(?:https?://|www\.|\b[\w-]+@[\w-]+\.\w+|webhook|requestbin|ngrok|burpcollaborator|pastebin|collector|external|"
    r"attacker|remote|(?:this|the|our|following|my) (?:url|server|endpoint|address|site|webhook|api|link|channel|e-?mail)|"
    r"(?:as|in) (?:a |the )?(?:query|url|image|parameter|link|comment|issue|pull request|commit)|via (?:curl|wget|http))"
)

_SIGNS: tuple[tuple[str, int, re.Pattern[str]], ...] = tuple(
    (kind, weight, re.compile(pattern, re.IGNORECASE))
    for kind, weight, pattern in (
        (
            "override",
            45,
            (
                rf"\b(?:ignore|disregard|forget|overlook|override|overwrite|bypass|neglect|abandon|drop|discard|set aside|cancel|"
                rf"do not (?:follow|obey|listen to)|don't (?:follow|obey|listen to)|stop (?:following|obeying))\s+(?:(?:about|to|of|and|"
                rf"everything|anything|literally|completely)\s+){{0,2}}(?:{_PREVIOUS}\s+){{1,4}}{_RULES}\b"
            ),
        ),
        (
            "override",
            45,
            (
                r"\b(?:ignorier\w*|vergiss|missachte\w*)\s+(?:\w+\s+){0,3}(?:anweisung\w*|vorgaben|regeln|instruktion\w*)"
                r"|\b(?:ignore[zr]?|oublie[zr]?|ne (?:suis|suivez) pas)\s+(?:\w+\s+){0,3}(?:instructions?|consignes?|règles)"
                r"|\b(?:ignora|ignore|olvida|omite|descarta)\s+(?:\w+\s+){0,3}(?:instrucciones|reglas|indicaciones|instruções|regras|istruzioni|regole)"
                r"|\b(?:negeer|vergeet)\s+(?:\w+\s+){0,3}(?:instructies|regels|opdrachten)"
                r"|\bzignoruj\s+(?:\w+\s+){0,3}(?:instrukcje|polecenia|zasady)"
                r"|(?:игнорируй|забудь|проигнорируй)\w*\s+(?:\w+\s+){0,3}(?:инструкци|указани|правил|команд)\w*"
                r"|(?:忽略|无视|忘记|忘掉|忽視|無視)[^。\n]{0,12}(?:指令|指示|提示|规则|規則|说明)"
                r"|(?:以前|これまで|上記|前)の?[^。\n]{0,8}(?:指示|命令|ルール)[^。\n]{0,6}(?:無視|忘れ)"
                r"|(?:이전|위의|모든)[^.\n]{0,8}(?:지시|명령|규칙)[^.\n]{0,6}(?:무시|잊)"
                r"|(?:önceki|tüm)\s+(?:\w+\s+){0,2}(?:talimat|kural)\w*\s+(?:yok say|unut|görmezden)"
                r"|(?:تجاهل|انس)\s+(?:\w+\s+){0,3}(?:التعليمات|الأوامر)"
            ),
        ),
        (
            "role",
            30,
            (
                r"<\|(?:im_start|system|user|assistant|endoftext|eot_id|start_header_id)\|?>|\[/?INST\]|<</?SYS>>"
                r"|^\s{0,3}(?:#{1,4}\s*)?(?:system|assistant|human|user|developer)\s*(?:message|prompt|override|note)?\s*:\s*(?:you|ignore|new|the|from)\b"
                r"|</?(?:system|system[-_]prompt|system[-_]reminder|instructions?|admin|developer|tool_result|function_results?|user_query)>"
                r"|\b(?:begin|end|new|updated|real|actual)\s+(?:system\s+)?(?:prompt|instructions?)\s*[:\]>-]"
                r"|\b(?:you are|you're) now\s+(?:in\s+)?(?:an?|the|\w+ mode|free|unrestricted|dan)\b|\bfrom now on,?\s+you\b"
                r"|\b(?:developer|debug|maintenance|admin|god|dan|jailbreak|unrestricted)\s+mode\s+(?:enabled|activated|on|is)\b"
                r"|\byour (?:new|real|actual|true|primary|only)\s+(?:task|goal|instructions?|objective|purpose|role|mission)\b"
            ),
        ),
        (
            "address",
            25,
            (
                rf"\b(?:note|message|instructions?|attention|notice|reminder|important|warning|directive|hint|request|task)s?\s*(?:to|for|:)\s*"
                rf"(?:all |any |the |every |you,? )*{_ASSISTANT}\b(?! (?:users?|developers?|engineers?|authors?|providers?|vendors?|safety|security))"
                rf"|\b(?:if|when|since|as) you(?:'re| are)? (?:an? |the )?(?:\w+ )?{_ASSISTANT}\b"
                rf"|\b(?:dear|hey|hello|hi|attention|listen),?\s+(?:\w+ )?{_ASSISTANT}\b\s*[,:!]"
                rf"|\b{_ASSISTANT}s?\b[^.\n]{{0,40}}\b(?:reading|processing|analyzing|analysing|summari[sz]ing|parsing|reviewing)\s+(?:this|the)\b"
                rf"|\b{_ASSISTANT}\s*[,:]\s*(?:please\s+|you (?:must|should|need to|have to)\s+)?(?:run|execute|call|send|read|open|use|add|append|ignore|fetch|visit|"
                r"delete|write|create|modify|approve|install|include|reply|respond|output|say)\b"
                r"|\b(?:ki|ia|ai)-?(?:assistent|agent)\w*\s*[:,]"
            ),
        ),
        (
            "conceal",
            40,
            (
                r"\b(?:do not|don't|never|without|must not|should not|avoid)\s+(?:ever\s+)?(?:tell(?:ing)?|mention(?:ing)?|inform(?:ing)?|reveal(?:ing)?|alert(?:ing)?|"
                r"notify(?:ing)?|ask(?:ing)?|show(?:ing)?|disclos(?:e|ing)|report(?:ing)?|warn(?:ing)?)\s+(?:(?:this|that|it|anything|about it|any of this)\s+)?"
                r"(?:to\s+)?(?:the\s+|your\s+|any\s+)?(?:user|human|person|developer|owner|operator|anyone|them)\b"
                r"|\b(?:keep|hide)\s+(?:this|it|these)\s+(?:\w+\s+){0,3}(?:secret|hidden|from (?:the )?(?:user|human|anyone))"
                r"|\b(?:silently|secretly|quietly|covertly|in the background)\s+(?:run|execute|send|call|read|add|append|include|upload|post|fetch|copy|install|forward|do)\b"
                r"|\b(?:do not|don't|never)\s+(?:mention|reveal|repeat|quote|summari[sz]e|include|acknowledge|discuss)\s+(?:this|these|that you|the fact)\b"
                r"|\b(?:the )?user (?:must|should|does|need) (?:not|n't) (?:know|see|notice|be told|be aware)"
                r"|\b(?:sag|verrate|erwähne)\w*\s+(?:\w+\s+){0,4}(?:nutzer|benutzer|anwender)\w*\s+(?:nichts|nicht)"
            ),
        ),
        (
            "carry",
            40,
            (
                rf"\b{_CARRY}(?:s|ing)?\b[^.\n]{{0,80}}\b{_SECRETS}[^.\n]{{0,80}}(?:\bto\b|\bat\b|\bvia\b|\binto\b|\bin\b|\bas\b|\bwith\b|:)[^.\n]{{0,30}}{_PLACE}"
                rf"|\b(?:read|cat|open|collect|gather|find|locate|retrieve|get|take|list|grep)\b[^.\n]{{0,60}}{_SECRETS}[^.\n]{{0,80}}\b(?:and|then)\b[^.\n]{{0,30}}"
                rf"\b(?:send|post|upload|forward|e-?mail|exfiltrate|transmit|leak|append|include|embed|paste|curl|put|submit)\b"
                r"|\b(?:curl|wget|fetch|invoke-webrequest)\b[^\n]{0,120}(?:\$\(|`|@|<\()[^\n]{0,40}(?:\.env|\.ssh|\.aws|credentials|id_rsa|passwd|token|secret|printenv|\benv\b)"
                r"|!\[[^\]\n]{0,80}\]\(https?://[^)\s]{1,200}[?&][\w-]{1,30}=(?:\{|\[|<|%7B|\$|DATA|SECRET|TOKEN|BASE64|ENCODED|YOUR)[^)\n]{0,80}\)"
                rf"|\b(?:replace|substitut\w+|fill in)\b[^.\n]{{0,60}}\b(?:with|by)\b[^.\n]{{0,40}}(?:base64|url)?[- ]?(?:encoded)?\s*{_SECRETS}"
            ),
        ),
        (
            "act",
            15,
            (
                r"\b(?:run|execute|call|invoke|use|issue|perform)\s+(?:the\s+|this\s+|these\s+|following\s+|a\s+|your\s+)*(?:following\s+)?(?:shell\s+|bash\s+|terminal\s+)?"
                r"(?:commands?|scripts?|code|tool|function|`[^`\n]{1,60}`)\b"
                r"|\b(?:curl|wget)\s+[^\n|]{4,160}\|\s*(?:sudo\s+)?(?:ba|z)?sh\b|\brm\s+-rf?\s+[~/]|\bchmod\s+777|\bgit\s+push\b[^\n]{0,40}--force"
                r"|\b(?:delete|remove|erase|wipe|drop)\s+(?:all\s+|every\s+|the\s+)(?:\w+\s+){0,2}(?:files?|data|database|tables?|repositor(?:y|ies)|branch(?:es)?|backups?|logs?)\b"
                r"|\b(?:approve|merge|grant|disable|turn off|add)\s+(?:this|the|all|me|yourself|any)\b[^.\n]{0,40}\b(?:pull request|pr|access|admin|permissions?|tests?|checks?|security|collaborator)\b"
            ),
        ),
        (
            "urge",
            10,
            (
                r"<important>|\bimportant\b\s*[:!]|\burgent\b|\bmandatory\b|\bcritical (?:instruction|update|task)|\bhighest priority\b"
                r"|\b(?:before|prior to)\s+(?:you\s+)?(?:do|doing|answer\w*|continu\w+|proceed\w*|respond\w*|anything|completing|using (?:this|any)|calling)\b"
                r"|\b(?:as (?:the|your) first step|you must first|first,? you must|it is (?:essential|vital|crucial|required) that you)\b"
                r"|\b(?:authori[sz]ed by|on behalf of|message from)\s+(?:the\s+)?(?:admin\w*|developers?|security team|owner|anthropic|openai|google|system)\b"
            ),
        ),
    )
)
_HIDDEN_MARKUP = re.compile(
    r"<!--(?P<comment>.{1,4000}?)-->|<(?P<tag>\w+)[^<>]{0,200}(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|"
    r"opacity\s*:\s*0(?:\D|$)|color\s*:\s*(?:white|#fff(?:fff)?|transparent)\b|\bhidden\b)[^<>]{0,200}>(?P<text>[^<]{1,4000})"
    r"|^\[(?:comment|//|_)\]:\s*(?:#|<>)\s*[\"'(](?P<reference>[^\n]{1,2000})",
    re.IGNORECASE | re.DOTALL | re.MULTILINE,
)
_TAGS = re.compile("[\U000e0020-\U000e007e]{4,}")
_ZERO = re.compile("[\u200b-\u200d\u2060-\u2064\ufeff\u00ad\u180e]")
_ZERO_RUN = re.compile("[\u200b-\u200d\u2060-\u2064\ufeff]{8,}")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_SELECTORS = re.compile("[\ufe00-\ufe0e\U000e0100-\U000e01ef]{6,}")
_BASE64 = re.compile(
    r"(?<![A-Za-z0-9+/=])(?:[A-Za-z0-9+/]{4}){10,2000}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?(?![A-Za-z0-9+/=])"
)
_HEX = re.compile(r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{2}){40,4000}(?![0-9A-Fa-f])")
# Words of those who write about it. Each counts once.
_ABOUT = re.compile(
    r"prompt[- ]injection|injection attack|jailbreak\w*|red[- ]team\w*|adversarial|attackers?|malicious(?:ly)?|vulnerab\w+|"
    r"exploit\w*|mitigat\w+|defen[cs]e\w*|detect(?:s|ed|ing|ion|or)|owasp|payloads?|threat model|for example|e\.g\.|such as|"
    r"sanitiz\w+|guardrails?|benchmark|dataset|classifier|security (?:research|advisory|policy)|cve-\d|proof of concept",
    re.IGNORECASE,
)
_QUOTED = re.compile(
    r"`[^`\n]{8,400}`|[\"“«„][^\"“”«»\n]{8,400}[\"”»“]|'[^'\n]{12,300}'|^\s{0,3}>[^\n]{8,400}|^(?: {4}|\t)[^\n]{8,400}",
    re.MULTILINE,
)
_FENCED = re.compile(r"^```[^\n]*\n.{1,20000}?^```", re.MULTILINE | re.DOTALL)

_CHEAP = re.compile(
    r"ignor|disregard|forget|overrid|bypass|instruct|prompt|assistant|\bagents?\b|\bai\b|\bllm|model|claude|gpt|copilot|gemini|user|"
    r"secret|silent|send|post|upload|curl|wget|system|<!--|display|hidden|inst\]|<\||im_start|you are now|from now on|execut|run the|"
    r"vergiss|oubli|olvida|negeer|zignoruj|игнор|забудь|忽|無視|无视|무시|talimat|تجاهل|!\[|token|\.env|[A-Za-z0-9+/]{60}",
    re.IGNORECASE,
)
_WORDS = {
    "override": "it tells the reader to set instructions aside",
    "role": "it poses as the system or gives the reader another role",
    "address": "it speaks to an assistant",
    "conceal": "it asks to keep something from the user",
    "carry": "it asks to carry data or credentials somewhere",
    "act": "it asks to run or change something",
    "urge": "it presses",
    "hidden": "it is hidden from people",
    "invisible": "it has characters that nobody sees",
    "encoded": "it is encoded",
}


def find(text: str, depth: int = 0) -> Orders:
    """Look for orders in a text that an agent reads. Linear in its length, up to `LONGEST`."""
    text = text[:LONGEST]
    plain = _plain(text)
    if not (_CHEAP.search(plain) or _TAGS.search(text) or _ZERO_RUN.search(text) or _SELECTORS.search(text)):
        return NONE
    quoted = [match.span() for pattern in (_FENCED, _QUOTED) for match in pattern.finditer(plain)]
    hidden = [(match.span(), _inner(match)) for match in _HIDDEN_MARKUP.finditer(plain)]
    hidden_at = [span for span, _ in hidden]
    best: dict[str, float] = {}
    signs: list[Sign] = []
    veiled = False
    for kind, weight, pattern in _SIGNS:
        for match in pattern.finditer(plain):
            start, end = match.span()
            covered = any(a <= start and end <= b for a, b in hidden_at)
            # What stands in quotes is told, not ordered; in a comment nobody quotes.
            told = not covered and any(a <= start and end <= b for a, b in quoted)
            best[kind] = max(best.get(kind, 0.0), weight * (0.35 if told else 1.0))
            veiled = veiled or (covered and kind in {"override", "address", "conceal", "carry", "role", "act"})
            signs.append(Sign(kind, start, min(end, start + 200)))
            if len(signs) > 64:
                break
    score = _joined(best)
    about = len({match[0].lower() for match in _ABOUT.finditer(plain)})
    if about >= 2:
        score *= max(0.45, 1.0 - 0.12 * about)
    if veiled:
        score += 30
        best["hidden"] = 30
    score += _unseen(text, plain, depth, best, signs)
    reasons = tuple(_WORDS[kind] for kind in _WORDS if kind in best)
    return Orders(min(100, round(score)), tuple(sorted(signs, key=lambda sign: sign.start)), reasons)


def _joined(best: dict[str, float]) -> float:
    """Join the kinds: those that are dangerous together count whole, what is ordinary by itself does not reach far."""
    score = sum(best.values())
    strong = {kind for kind in ("override", "conceal", "carry") if best.get(kind, 0) >= 30}
    if not strong and "role" not in best:
        return min(score, 45.0)  # someone speaks to an assistant and asks for work: an agents' file does that
    if len(strong) == 1 and not {"role", "address", "act", "urge"} & set(best):
        return min(score, 50.0)
    return score


def _unseen(text: str, plain: str, depth: int, best: dict[str, float], signs: list[Sign]) -> float:
    """Count what people can't see: text in tag characters, runs of nothing, turned directions, encoded orders."""
    more = 0.0
    for match in _TAGS.finditer(text):
        inner = "".join(chr(ord(each) - 0xE0000) for each in match[0])
        more = max(more, 75.0 if find(inner, depth + 1).score >= 20 or len(inner) >= 12 else 40.0)
        signs.append(Sign("invisible", *match.span()))
    for pattern, weight in ((_ZERO_RUN, 65.0), (_SELECTORS, 65.0)):
        if (found := pattern.search(text)) is not None:
            more = max(more, weight)
            signs.append(Sign("invisible", *found.span()))
    if best and (len(_ZERO.findall(text)) >= 3 or _BIDI.search(text)) and not _right_to_left(text):
        more = max(more, 20.0)
    if more:
        best["invisible"] = more
    if depth < _DEPTH:
        for pattern, decode in ((_BASE64, _from_base64), (_HEX, _from_hex)):
            for match in list(pattern.finditer(plain))[:16]:
                inner = decode(match[0])
                if inner and find(inner, depth + 1).score >= 35:
                    best["encoded"] = 65.0
                    signs.append(Sign("encoded", *match.span()))
                    return max(more, 65.0)
    return more


def _plain(text: str) -> str:
    """Give the text as its reader takes it: compatibility forms folded, what is invisible left out where it can be.

    INVARIANT: as long as the text, so that a place in one is a place in the other.
    """
    if text.isascii():
        return text
    out = []
    for character in text:
        if character < "\u0250":
            out.append(" " if character == "\u00ad" else character)
            continue
        folded = unicodedata.normalize("NFKC", character)
        out.append(folded if len(folded) == 1 else character)
    return "".join(out)


def _right_to_left(text: str) -> bool:
    """Whether a text is written in a script that needs direction marks."""
    return bool(re.search("[\u0590-\u08ff]", text))


def _inner(match: re.Match[str]) -> str:
    return match["comment"] or match["text"] or match["reference"] or ""


def _from_base64(text: str) -> str:
    try:
        return _readable(base64.b64decode(text[: _DECODED - _DECODED % 4], validate=True))
    except (binascii.Error, ValueError):
        return ""


def _from_hex(text: str) -> str:
    return _readable(bytes.fromhex(text[:_DECODED]))


def _readable(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return ""
    printable = sum(character.isprintable() or character in "\n\t" for character in text)
    return text if text and printable >= 0.95 * len(text) else ""
