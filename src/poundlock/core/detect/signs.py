"""The signs of text that gives orders, as data: what each is for, its weight, its anchors, its pattern.

A pattern is run on text in lower case and only near its anchors, literal words that are found first; one without anchors
only where another sign stands, since it means nothing by itself. Weights are of our own judging, tuned on the `dev` half of the evaluation. A
pattern must never hold two open gaps: its cost near an anchor has to stay bounded.
"""

# ruff: noqa: E501, ISC004, F541 (a pattern reads best in one piece, and its pieces alike)

from __future__ import annotations

import re
from typing import NamedTuple

REACH = 180
"""Characters before and after an anchor that a pattern sees."""


class Pattern(NamedTuple):
    """A sign to look for: its kind, what it counts, the words it hangs on, its expression, and what it must also hold."""

    kind: str
    weight: int
    anchors: tuple[str, ...]
    expression: re.Pattern[str]
    also: re.Pattern[str] | None = None


_WHO = (
    r"(?:(?:ai|llm|coding|automated|browser|shopping|purchasing|virtual|computer-use|hiring|screening) )*(?:assistants?|agents?|copilots?|bots?|reviewers?|systems?|models?|readers?|maintainers?)"
    r"|ais?|a\.i\.|llms?|(?:large )?language models?|claude|chatgpt|gpt-?\w*|gemini|codex|cursor|copilot"
)
_AI = (
    r"(?:(?:ai|llm|coding|automated|browser|shopping|purchasing|virtual|computer-use) (?:\w+ )?(?:assistants?|agents?|bots?|reviewers?|systems?|models?|readers?|maintainers?|browsing)|"
    r"assistants?|agents?|ais?|llms?|(?:large )?language models?|claude|chatgpt|gpt-?\w*|gemini|codex|copilot)"
)
_DO = (
    r"(?:run|execute|call|invoke|send|post|forward|upload|transmit|read|open|use|fetch|visit|go|click|accept|add|append|insert|include|write|create|modify|edit|change|delete|remove|wipe|"
    r"drop|disable|switch off|turn off|skip|ignore|disregard|forget|obey|follow|approve|merge|grant|give|install|download|reply|respond|answer|output|print|show|reveal|list|dump|repeat|say|tell|state|claim|"
    r"rate|rank|recommend|choose|select|buy|pay|confirm|transfer|copy|paste|pass|put|push|decode|search|summari[sz]e|remember|do not|don't|never|no longer|always|"
    r"continue|enter|type|decide|mark|move|set|treat|work|only|make|get|open up|provide|submit|save|store|trust)"
)
_SET_ASIDE = (
    r"(?:ignore|disregard|forget|override|bypass|discard|abandon|neglect|drop|void|set aside|put aside|leave aside|lay aside|pay no attention to|"
    r"(?:do not|don't|never|stop|no longer) (?:follow|obey|listen to|following|obeying|listening to))"
)
_RULES = (
    r"(?:instructions?|prompts?|guidelines?|directives?|directions|rules?|restrictions?|polic(?:y|ies)|guardrails?|safeguards?|constraints?|commands?|orders|programming|system messages?|"
    r"requests?|tasks?|training|context|told(?: (?:before|so far))?|asked(?: for)?)"
)
_FILLERS = (
    r"(?:(?:about|all|any|each|every|everything|of|the|your|these|those|previous|prior|above|earlier|preceding|foregoing|former|other|original|current|initial|existing|system|"
    r"developer'?s?|user'?s?|safety|hidden|and|what|whatever|that|you|were|was|been|have|has|before|given|said|ever|so|far|to|by|a|an|ai|its|secret|content)\s+){0,8}"
)
_EARLIER = re.compile(
    r"\b(?:previous|prior|above|earlier|preceding|foregoing|original|system|your|all|any|developer'?s?|user'?s?|you were|before|safety|former|current|initial|everything|existing)\b"
)
SECRETS = (
    r"(?:\.env\b|id_rsa|id_ed25519|\.aws/|\.ssh\b|\.netrc|\.npmrc|\.kube|\.pypirc|/etc/(?:shadow|passwd)|secrets?\b|credentials?\b|api[ _-]?keys?|private keys?|deploy keys?|ssh keys?|"
    r"the keys\b|my keys\b|tokens?\b|passwords?\b|one-time codes?|environment variables?|\benv vars?|_token\b|system prompt|conversation\b|chat history|history\b|prompt as|whole prompt|inbox|home directory|"
    r"(?:user'?s?|customer'?s?) (?:\w+ )?(?:data|files?|e-?mails?|messages?|contacts?|calendar|prompt|history)|personal data|private repositor|repository|contents? of|what (?:the user|it) (?:told|holds))"
)
_CARRY = (
    r"(?:send|sends|post|posts|upload|uploads|forward|forwards|e-?mail|exfiltrate|transmit|leak|deliver|submit|append|attach|include|includes|embed|copy|copies|paste|encode|"
    r"put|puts|add|adds|pass|commit|push|share|insert|pour|move|takes?|write|open a pull request)"
)
_PLACE = (
    r"(?:https?://|www\.|\w@\w|webhook|\bgist\b|pastebin|public|external|attacker|remote|(?:your|the|each|every|its) (?:next )?(?:reply|answer|response|message|commit|pull request|description|summary)|"
    r"\bas `|argument|parameter|comment|wiki|the (?:endpoint|server|address|link)|\bto [\w-]+\.[a-z]{2,})"
)
_HIDE_FROM = r"(?:the |your |any |this |a )?(?:users?|human|humans|person|people|developers?|owner|operator|reviewers?|anyone|customer|reader|team)"

PATTERNS: tuple[Pattern, ...] = tuple(
    Pattern(
        kind,
        weight,
        tuple(filter(None, anchors.split("|"))),
        re.compile(expression),
        also if also is None else re.compile(also) if isinstance(also, str) else also,
    )
    for kind, weight, anchors, expression, also in (
        (
            "override",
            60,
            "ignore|disregard|forget|override|bypass|discard|abandon|neglect|aside|attention to|not follow|n't follow|not obey|listen to|stop follow|drop all",
            rf"\b(?!(?:override|overwrite|bypass) (?:the |your )?(?:default )?system ){_SET_ASIDE}\s+{_FILLERS}{_RULES}\b(?!\s+(?:in|on|of|from|for) (?!this|our|your|the (?:conversation|system|user|chat)))",
            _EARLIER,
        ),
        (
            "override",
            45,
            "precedence|supersede|override|outrank|priority over",
            r"\b(?:takes? (?:precedence|priority) over|supersedes?|overrides?|outranks?) [^.\n]{0,30}(?:system prompt|system message|instructions (?:given|you)|all instructions|safety|told|your (?:rules|guidelines|instructions)|other (?:rules|instructions))",
            None,
        ),
        (
            "takeover",
            45,
            "the user asked|user's request|everything above|text above|came before|cancelled|cleared|restarted|you are doing|actual task|real task|only job|new instructions|updated instructions|revised task|to the contrary|whatever the user|only follow|only obey",
            r"\b(?:whatever|even if|regardless of what|no matter what) the user (?:asks|asked|says|said|wants|forbids|'s)|\bthe (?:earlier|user's|previous|original) (?:request|task|question) (?:is|was|has been) (?:cancelled|void|over|replaced)"
            r"|\bwhat the user (?:asked|asks|wants)(?: for)? (?:no longer|does not|doesn't) (?:applies|apply|matters?)|\b(?:the user's|user's) (?:request|question|task) and (?:run|send|do|open|instead|answer)"
            r"|\b(?:everything above|all text above|what came before|the text above)[^.\n]{0,50}(?:ignored?|discard|void|test|outdated|thrown?|attacker)"
            r"|\b(?:context reset|memory cleared|session restarted|context cleared|memory wiped)\b|\byou have no (?:restrictions|previous instructions|rules|limits)"
            r"|\b(?:stop what you are doing|halt your current task|abandon (?:the|your) (?:current )?task)|\b(?:instructions?|rules?) to the contrary"
            r"|\b(?:the|your) (?:real|actual|new|only|true|first) (?:task|job|goal|mission|instructions?|policy|objective|purpose)\s*(?:is|:|now)|\b(?:new|updated|revised|real) (?:instructions?|task|orders?)\s*:"
            r"|\byou (?:must )?(?:now )?only (?:follow|obey|work for|serve)",
            None,
        ),
        (
            "role",
            35,
            "im_start|header_id|<sys|[sys|<<sys|inst]|<admin|<developer|system:|assistant:|ai:|you are now|mode enabled|mode is|mode has|mode active",
            r"<\|(?:im_start|system|user|assistant|start_header_id)\|?>|\[/?inst\]|<</?sys>>|\[/?system\]|</?(?:system|admin|developer)>|^\s{0,3}#{1,4}\s*system\s*:|^(?:human|user)\s*:[^\n]{4,160}\n+\s*(?:assistant|ai)\s*:"
            r"|\byou (?:are|'re) now (?:an? (?:\w+ )?(?:ai|model|assistant)|in \w+ mode|free|unrestricted)|\b(?:developer|debug|maintenance|god|admin|dan|jailbreak|root) mode (?:is (?:now )?)?(?:enabled|activated|active|on\b|has been)",
            None,
        ),
        (
            "persona",
            45,
            "restrictions|unrestricted|never refuse|filters are|safety checks|pretend|imagine that you",
            r"\b(?:without|no|free of|ignores?) (?:any )?(?:restrictions|rules|filters|limits)\b[^.\n]{0,40}|\bunrestricted (?:assistant|ai|model)|\bcan do anything|\byou never refuse|\brules do not (?:bind|apply)|\b(?:do|does) not apply any (?:policy|rule)"
            r"|\b(?:all )?(?:safety checks?|filters|safeguards) are (?:off|disabled)|\b(?:pretend|imagine|act)\b[^.\n]{0,80}\b(?:grandmother|used to|recite[ds]?|read me)\b[^.\n]{0,20}",
            r"\b(?:you|model|assistant|ai|dan|filters|safety|grandmother|recite\w*|read me|used to)\b",
        ),
        (
            "address",
            30,
            "assistant|agent|automated| ai |ai:|ai,| llm|llms|language model|claude|chatgpt|gemini|copilot|codex|the model|reviewing model|\nai",
            rf"\b(?:dear|hey|hello|hi|attention|listen,?|note (?:to|for)|notice (?:to|for)|message (?:to|for)|instructions? (?:to|for)|reminder (?:to|for)|directive (?:to|for)|important (?:to|for)|to (?:all|any)|for) (?:the |all |any |every |our )*(?:{_WHO})\b(?:[^.\n:,]{{0,40}}[:,])"
            rf"|\b{_AI}(?: \w+){{0,3}}?\s*[:,)-]+ ?(?:(?:please|now|kindly|also|always|first|next|then|if|when|you must|you should|you have to|you need to|you are to|could you|it is critical that you) )*{_DO}\b"
            rf"|\b{_AI}[,:] [^.\n]{{0,40}}?, {_DO}\b|\b{_AI}'s (?:next|first|only) (?:action|step|task)|\b(?:if|unless) the {_AI} (?:doesn't|does not|runs?|sends?|fails)"
            r"|\b(?:hiring|screening|reviewing|ai|automated|language) (?:\w+ )?(?:assistants?|models?|systems?|readers?|reviewers?|agents?|maintainers?)\s*:"
            rf"|\b{_AI}(?: (?!users?\b|developers?\b)[\w()/-]+){{0,6}} (?:must|should|has to|have to|need to|needs to|is to|are to|shall|will|may not|are required to|are ordered to|is required to)(?: (?:now|also|only|always|never|ever|first|not|then))* {_DO}\b"
            rf"|\b(?:if|when|since|in case|as) (?:you|the reader)(?:'re| are| is)? (?:an? |the )?(?:\w+ )?{_AI}\b"
            rf"|\b{_AI} (?:that |who |which )?(?:reads?|process(?:es)?|reading|processing|handles?|triages?|reviews?|browsing|screening)\b"
            rf"|\b(?:you|unless),? \(?the (?:model|agent|assistant|ai)\)?|\b(?:dear|hey|attention|listen)[ ,]+(?:all |ai )*{_AI}\b",
            None,
        ),
        (
            "conceal",
            40,
            "the user|mention|silently|secretly|quietly|say nothing|this from|tell anyone|to yourself|hide the|from review|the developer|in the chat|conceal|interrupt|in the summary|the transcript|leave it out|leave that out|left out of",
            rf"\b(?:do not|don't|never|without|must not|should not|not|nor|avoid) (?:ever |even )?(?:tell|telling|mention|mentioning|inform|informing|reveal|alert|alerting|notify|notifying|show|showing|disclose|report|reporting|warn|warning|interrupt)(?:ing)? (?:(?:this|that|it|anything|about it|its output) )?(?:to )?{_HIDE_FROM}\b"
            r"|\b(?:do not|don't|never|without|and not|not) (?:ever |then )?(?:mention|mentioning|reveal|acknowledge|report|explain|show)(?:ing)? (?:this|it|that you|its output|the fact|this (?:edit|step|comment|file|argument|to))\b"
            rf"|\b(?:keep|hide|conceal|suppress|leave|left)\b(?: (?:and )?\w+){{0,4}} (?:secret from|hidden from|from|out of|to yourself|in) (?:the |your |all |this )?(?:users?|developers?|human|reviewers?|summary|explanation|diff|change ?log|transcript|chat|list of changes|yourself)\b|\bkeep this to yourself"
            rf"|\b(?:silently|secretly|quietly|covertly) (?:run|execute|send|read|add|append|include|upload|post|fetch|copy|install|forward|do|change|insert)\b|[,;] (?:silently|quietly|secretly)[.)]|\b(?:unnoticed|as a hidden step|without {_HIDE_FROM} (?:noticing|knowing)|without a word to {_HIDE_FROM}|say nothing about|leave (?:it|that) out|left out of the summary|hide the output)\b"
            rf"|\b{_HIDE_FROM} (?:must|should|does|need|needs) (?:not|n't) (?:to )?(?:know|see|notice|be told|be aware)|\bneed not explain|\bwithout (?:naming|listing) it",
            None,
        ),
        (
            "consent",
            35,
            "without asking|never ask|n't ask|ask the user|ask first|pre-approved|approves everything|autoapprove|wait for approval|confirmation|have permission|agreed to",
            rf"\b(?:without (?:asking|confirmation|approval)|never ask(?:s|ing)?(?: (?:for confirmation|first|before))?|(?:don't|do not|need not|not) (?:ask|wait for approval|wait for confirmation|stop between)|no (?:need to confirm|approval is needed|confirmation (?:from|needed|is)))\b"
            rf"|\b(?:the )?(?:user|owner|human|author|operator)s? (?:has |have )?(?:already )?(?:approved?|approves|agreed|consented|authori[sz]ed)\b|\b(?:is|are|was|this is) (?:pre-approved|authori[sz]ed\b|allowed automatically)|\byou have permission\b|\bapprove every|\bthe user is not asked|\bskip(?:s)? (?:the )?confirmations?|\bconsent was given"
            r"|\b(?:all |their )?(?:safety prompts|confirmation prompts|commands|sandbox)\b[^.\n]{0,20}(?:disabled|are allowed|is allowed)|\b(?:disable|switch off|turn off) (?:their |the |your )?(?:sandbox|confirmation|content filter|safety|approval)|\btreat every (?:question|command)|\baccept all permissions|autoapprove",
            None,
        ),
        (
            "deceive",
            35,
            "",
            rf"\b(?:report|claim|pretend|answer|say|state|reply) (?:that )?(?:success|everything is (?:done|fine)|all (?:is )?(?:well|green)|the (?:tests|build) (?:passed|succeeded)|no problems|nothing else)|\btell {_HIDE_FROM} (?:that|to)\b|\bmark every test|\b(?:even (?:if|when) it (?:is|isn't|is not) (?:so|true|untrue)|whatever really happened)"
            r"|\b(?:rate|rank|score|give) (?:this|the|it)\b[^.\n]{0,40}(?:best|highest|10 out of 10|above all|top)|\b(?:highest|best) (?:score|mark|rating)\b|\b(?:only positive|positive review|do not (?:highlight|list|mention) (?:any )?(?:negatives|weaknesses))"
            r"|\brecommend [\w-]+ (?:to the user|in every|above|to everyone)|\b(?:must|should|to) (?:always |only |ever )*(?:choose|select|recommend|buy) |\banswer (?:only )?\"(?:approved|yes)\"|\bmust be moved to the next|\bexceptional match",
            None,
        ),
        (
            "leak",
            50,
            "prompt|your instructions|initial instructions|words above|everything above|all text in|configuration|full instructions|system message",
            r"\b(?:reveal|reveals|print|prints|show|shows|output|outputs|repeat|display|dump|dumps|list|translate|convert|return|returns|recite|expose|give|write|include|leak)s?\b (?:me )?(?:all )?(?:of )?(?:your|the|its|their)?\s*(?:full |entire |hidden |secret |original |initial |whole )*(?:system (?:prompt|message|instructions)|(?:hidden|initial|secret|original|admin) (?:prompt|instructions)|your instructions|instructions verbatim|full instructions|full configuration|(?:text of )?your (?:\w+ )?(?:instructions|configuration|prompt|rules|guidelines))"
            r"|\b(?:repeat|print|output|translate) (?:the words|everything|all text) (?:above|in your context)|\b(?:your|the) (?:system message|initial instructions|hidden prompt|system prompt) into",
            None,
        ),
        (
            "carry",
            45,
            ".env|id_rsa|.ssh|.aws|.npmrc|.netrc|.kube|/etc/shadow|credentials|password|conversation|inbox|secrets|private repo|api key|contents of|whole folder|one-time",
            rf"\b{_CARRY}\b[^.\n](?:[^\n]{{0,90}}?){SECRETS}",
            _PLACE,
        ),
        (
            "steal",
            60,
            "curl -|wget |id_rsa|.env |/dev/tcp|os.environ|](http|| curl|sub-domain|host name",
            r"\bcurl\b[^\n]{0,60}(?:@|<)\s?\S{0,40}(?:\.env|\.ssh|\.aws|credentials|id_rsa|shadow|passwd|\.npmrc|secrets|kube/config|netrc)|(?:\.env|id_rsa|credentials|shadow|passwd|secrets\S*|config|npmrc)\s*\|\s*(?:nc|curl|base64)\b|\b(?:env|printenv)\s*\|\s*(?:curl|nc|base64)\b"
            r"|data=(?:dict\()?os\.environ|!\[[^\]\n]{0,80}\]\(https?://[^)\s]{1,120}[?&][\w-]{1,30}=(?:\{|\[|<|%7b|\$\{)"
            r"|(?:api key|token|\$\w+|secret|\.env|password|credentials|id_rsa|shadow)\b[^\n]{0,60}(?:sub-?domain|host name) of\b",
            None,
        ),
        (
            "steal",
            60,
            ".env|id_rsa|.ssh|.aws|.npmrc|/etc/shadow|conversation|inbox|home directory|private repo|credentials|secrets.yml|.kube|whole folder",
            r"\b(?:send|post|upload|forward|transmit|exfiltrate|leak)\b[^\n]{0,60}(?:\.env\b|id_rsa|\.ssh\b|\.aws/|\.npmrc|/etc/shadow|\.kube|secrets\.yml|(?:this|the|whole) conversation|user's (?:inbox|home|messages|files)|private repositories|everything in)"
            r"|(?:\.env\b|id_rsa|\.ssh\b|\.aws/credentials|\.npmrc|/etc/shadow|\.kube/config|secrets\.yml|private repositories)[^\n]{0,40}\b(?:and|then)\b[^\n]{0,20}\b(?:send|post|upload|forward|push|transmit)\b",
            r"https?://|\w@\w|webhook|\bgist\b|\bto [\w-]+\.[a-z]{2,}",
        ),
        (
            "deceive",
            60,
            "even if it|even when it|whatever really",
            r"\b(?:say|claim|state|report|tell \w+ \w+)\b[^.\n]{0,60}(?:even (?:if|when) it (?:is|isn't|is not)|whatever really happened)",
            None,
        ),
        (
            "leak",
            60,
            "your system|your initial|your full inst|your hidden|your original|hidden prompt",
            r"\b(?:reveal|print|show|output|repeat|dump|translate|convert|recite|return|list|include|display|printing|showing)(?: me)? (?:your (?:system|initial|full|hidden|original|secret) (?:prompt|message|instructions)|(?:the )?hidden prompt)\b",
            None,
        ),
        (
            "persona",
            60,
            "pretend|imagine that|act as",
            r"\b(?:pretend|imagine|act as)\b[^.\n]{0,90}\b(?:system prompt|api keys?|passwords?|product keys?|contents of)\b",
            None,
        ),
        (
            "persist",
            40,
            "long-term memory|save to memory|future sessions|every conversation|all sessions|future conversations",
            r"\bsave to memory|\bstore in (?:your )?(?:long-term )?memory|\bin (?:all future (?:sessions|conversations)|every conversation)|\b(?:every agent|future sessions of the assistant)",
            None,
        ),
        (
            "reach",
            25,
            "",
            r"\b(?:read|open|cat|fetch|provide|need|list|show|give|print|get|dump|return|returns|dumps|prints)\b[^.\n]{0,30}(?:\.env\b|id_rsa|\.ssh\b|\.aws/|\.npmrc|\.netrc|/etc/shadow|secrets\.yml|\.kube|credentials|api keys?\b|every secret|secret you|user's tokens?|all tokens)",
            None,
        ),
        (
            "act",
            30,
            "",
            r"\b(?:curl|wget)\s[^\n|]{4,100}\|\s*(?:sudo\s+)?(?:ba|z)?sh\b|\bbash <\(|\brm -rf? [~/.]|\bchmod (?:-r )?777|\bregistry http://|\b(?:my|following|this) key\b[^\n]{0,20}authorized_keys|\baccount \S{1,30} with (?:full|admin)|\b(?:append|add|write)\b[^\n]{0,60}(?:\.bashrc|crontab|claude\.md|agents\.md)|\bbackdoor|\bverify=false|\bdrop the production|\bforce-push an|\breverse shell|extra-index-url http:"
            r"|\b(?:grant|give) \S{1,30} (?:write access|admin rights|full rights|access)|\b(?:delete|remove|wipe|erase) (?:the )?\S{1,30}(?: folder| directory)|\b(?:install|download|add) the package `|\binstall `|\baccept the (?:master|fallback) password|\balso accept the|\b(?:master|fallback) password|\bconfirm the (?:transfer|order)|\btype the saved password|\benter the user's password|\bsign in for them|\bpress (?:pay|confirm)\b"
            r"|\b(?:edit|change) \S{0,30}(?:settings\.json|config\.toml)|\bwith sudo\b|\bas root\b|\bwithout the sandbox|<script src=\"https?://|\bfrom the audit log|\bapprove (?:the|this) (?:linked )?(?:pull request|change|request)|\b(?:save to|store in your long-term) memory|\bin all future (?:sessions|conversations)|\bchange the (?:payment|e-mail)|\btransfer the amount|\bhas? asked that you|\bopen the bank|\bdrop all tables",
            None,
        ),
        (
            "urge",
            10,
            "",
            r"<important>|\b(?:important|urgent|critical|attention|warning)\s*[:!]|\bbefore (?:you|using|calling|anything|doing)\b|\b(?:authori[sz]ed by|on behalf of|(?:message|notice) from) (?:the )?(?:admin\w*|developers?|your|security team|owner|anthropic|openai|google|system)|\bright now\b",
            None,
        ),
        (
            "threat",
            30,
            "",
            r"\byour weights\b|\b(?:people|someone|user's data) will be (?:hurt|lost|deleted)|\bno time to ask|\ba tip of|\bextra points|\bbreak the rules|\bunless (?:the (?:assistant|agent|ai|model)|you)",
            None,
        ),
        (
            "decode",
            60,
            "decode|base64|rot13|from hex|hex to|backwards|concatenate|reverse |encoded:| join ",
            r"\b(?:decode|base64|rot-?13|hex to text|from hex|reverse|backwards|concatenate|join \w)\b[^.\n]{0,50}(?:\band\b|\bthen\b|,|;) ?(?:\w+ ){0,2}?(?:do (?:it|what|as)|do\.|follow|obey|execute it|carry it out|act on|comply)|\binstructions (?:for|to) (?:the )?(?:agents?|assistants?|ai|llms?) are encoded",
            None,
        ),
    )
)

FOREIGN: tuple[Pattern, ...] = tuple(
    Pattern(kind, weight, tuple(filter(None, anchors.split("|"))), re.compile(expression))
    for kind, weight, anchors, expression in (
        (
            "override",
            60,
            "ignorier|vergiss|missachte|oubli|consignes|instrucciones|órdenes|instruções|ordens|istruzioni|indicazioni|instructies|opdrachten|instrukcje|polecenia|talimat|komut",
            r"\b(?:ignorier\w*|vergiss|missachte\w*)\s+(?:\w+\s+){0,3}(?:anweisung\w*|vorgaben|regeln|instruktion\w*|befehle)"
            r"|\b(?:ignore[zr]?|oublie[zr]?)\s+(?:toutes|tes|vos|les|ces)\s+(?:\w+\s+){0,2}(?:instructions?|consignes?|règles|directives)"
            r"|\b(?:ignora|olvida|omite|descarta|haz caso omiso de)\s+(?:\w+\s+){0,3}(?:instrucciones|órdenes|reglas|indicaciones)"
            r"|\b(?:ignore|esqueça|desconsidere)\s+(?:\w+\s+){0,3}(?:instruções|ordens|regras)|\b(?:ignora|dimentica)\s+(?:\w+\s+){0,3}(?:istruzioni|indicazioni|regole|ordini)"
            r"|\b(?:negeer|vergeet)\s+(?:\w+\s+){0,3}(?:instructies|opdrachten|regels)|\b(?:zignoruj|zapomnij)\s+(?:\w+\s+){0,3}(?:instrukcje|polecenia|zasady|instrukcji|poleceń)"
            r"|\b(?:önceki|tüm|bütün)\s+(?:\w+\s+){0,3}(?:talimat|kural|komut)\w*\s+(?:yok say|unut|görmezden)|\b(?:glöm|ignorera)\s+(?:\w+\s+){0,3}(?:instruktioner|regler)",
        ),
        (
            "override",
            60,
            "忽略|无视|無視|忘记|忘掉|忽視|忘れ|무시|잊|игнор|забудь|تجاهل|انس|अनदेखा|भूल|नज़रअंदाज़",
            r"(?:忽略|无视|忘记|忘掉|忽視|無視)[^。\n]{0,10}(?:指令|指示|提示|规则|規則)|(?:以前|これまで|上記|前の|すべての)[^。\n]{0,10}(?:指示|命令|ルール)[^。\n]{0,4}(?:無視|忘れ)"
            r"|(?:이전|위의|모든|지금)[^.\n]{0,10}(?:지시|명령|규칙|지침)[^.\n]{0,4}(?:무시|잊)|(?:игнорируй|забудь)\w*\s+(?:\w+\s+){0,3}(?:инструкци|указани|правил|команд)\w*"
            r"|(?:تجاهل|انس)\s+(?:\w+\s+){0,3}(?:التعليمات|الأوامر|القواعد|تعليمات)|(?:पिछले|सभी|ऊपर)[^।\n]{0,12}(?:निर्देश|आदेश|नियम)[^।\n]{0,8}(?:अनदेखा|भूल|नज़रअंदाज़)",
        ),
        (
            "address",
            30,
            " ki-|sprachmodell|assistants ia|modèle|asistente|modelo de|assistente",
            r"\b(?:hinweis|anweisung|nachricht|achtung)\w* (?:für|an) (?:alle )?(?:ki\b|ki-\w+|sprachmodelle)|\ban alle (?:sprachmodelle|ki-\w+)|\bki-?(?:assistent|agent|modell)?\w*\s*[:,]|\bwenn du (?:eine? )?(?:ki|sprachmodell)"
            r"|\bnotes? aux? (?:assistants?|modèles?|ia)|\bà l'attention du modèle|\bsi (?:tu es|vous êtes) une? (?:ia|assistant)|\b(?:nota|atención|aviso)[^.\n]{0,12}(?:asistente|modelo|ia)\b|\bsi eres una? (?:ia|asistente|modelo)|\b(?:nota|atenção|attenzione)[^.\n]{0,12}(?:assistente|modell?o|ia)\b",
        ),
        (
            "conceal",
            40,
            "nutzer|unbemerkt|heimlich|utilisateur|usuario|告诉用户|知らせ|пользовател",
            r"\b(?:sag|sage|verrate|erzähl)\w* (?:\w+ ){0,3}(?:nutzer|benutzer|anwender)\w*\s+(?:\w+ ){0,2}(?:nichts|nicht)|\bunbemerkt\b|\bheimlich\b|\berwähne (?:das|es|dies) nicht|\b(?:sans (?:en )?(?:prévenir|le dire|avertir|informer)|n'en parle\w* pas à) (?:à )?l'utilisateur"
            r"|\b(?:sin (?:avisar|decir\w*|informar)|no se lo digas|no digas nada) (?:al|a) (?:usuario|nadie)|\bsem (?:avisar|informar) o usuário|\bsenza (?:avvisare|informare|dirlo) (?:l'|all')utente|不要告诉用户|ユーザーに(?:は)?知らせ|не (?:говори|сообщай) пользовател",
        ),
        (
            "act",
            30,
            "",
            r"\b(?:sende|schicke) (?:\w+ ){0,3}\S{1,30} (?:\w+ )?an \S+@|\bführe (?:zuerst|sofort|jetzt) `|\bbewerte (?:\w+ ){1,3}mit der bestnote|\b(?:envoie|envoyez) \S{1,30} à \S+@|\bexécute\w* (?:d'abord )?`|\bdonne\w* la meilleure note|\benvía \S{1,30} a \S+@|\brecomienda siempre|\bejecuta (?:primero )?`",
        ),
    )
)

REASONS = {
    "override": "it tells the reader to set instructions aside",
    "role": "it poses as the system or gives the reader another role",
    "address": "it speaks to an assistant",
    "conceal": "it asks to keep something from the user",
    "consent": "it claims that nobody needs to be asked",
    "deceive": "it asks for a false or biased report",
    "takeover": "it tells the reader that its task is another one",
    "persona": "it gives the reader a role without rules",
    "persist": "it wants to be remembered for later tasks",
    "reach": "it asks for credentials",
    "leak": "it asks for the instructions that the reader was given",
    "carry": "it asks to carry data or credentials somewhere",
    "steal": "it holds a command or picture that carries data out",
    "act": "it asks to run or change something",
    "urge": "it presses",
    "threat": "it threatens or bribes",
    "decode": "it asks to decode something and obey it",
    "hidden": "it is hidden from people",
    "invisible": "it has characters that nobody sees",
    "disguised": "its letters are disguised",
    "encoded": "it is encoded",
}
"""Why, in words, by kind; never of a text's own."""
