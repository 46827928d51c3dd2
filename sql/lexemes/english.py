"""English words by their stems, and words too common to be looked for.

Called by configurations.py for each word of a text. The algorithm is Porter's second, whose regions
R1 and R2 are where a suffix may begin to be taken off.
https://snowballstem.org/algorithms/english/stemmer.html
"""

from __future__ import annotations

import re
from functools import lru_cache

_STOP_WORDS = """
i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her
hers herself it its itself they them their theirs themselves what which who whom this that these
those am is are was were be been being have has had having do does did doing a an the and but if or
because as until while of at by for with about against between into through during before after
above below to from up down in out on off over under again further then once here there when where
why how all any both each few more most other some such no nor not only own same so than too very s
t can will just don should now
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())

_VOWEL = "[aeiouy]"
_OTHER = "[^aeiouy]"
_REGION = re.compile(f"{_VOWEL}{_OTHER}")
_R1_STARTS = ("gener", "commun", "arsen")
_DOUBLES = ("bb", "dd", "ff", "gg", "mm", "nn", "pp", "rr", "tt")
_SPECIAL = {
    "skis": "ski",
    "skies": "sky",
    "dying": "die",
    "lying": "lie",
    "tying": "tie",
    "idly": "idl",
    "gently": "gentl",
    "ugly": "ugli",
    "early": "earli",
    "only": "onli",
    "singly": "singl",
}
_WHOLE = frozenset({"sky", "news", "howe", "atlas", "cosmos", "bias", "andes"})
_WHOLE_AFTER_1A = frozenset(
    {"inning", "outing", "canning", "herring", "earring", "proceed", "exceed", "succeed"}
)
_STEP_2 = {
    "ational": "ate",
    "ization": "ize",
    "fulness": "ful",
    "ousness": "ous",
    "iveness": "ive",
    "tional": "tion",
    "biliti": "ble",
    "lessli": "less",
    "entli": "ent",
    "ation": "ate",
    "alism": "al",
    "aliti": "al",
    "ousli": "ous",
    "iviti": "ive",
    "fulli": "ful",
    "enci": "ence",
    "anci": "ance",
    "abli": "able",
    "izer": "ize",
    "ator": "ate",
    "alli": "al",
    "bli": "ble",
    "ogi": "og",
    "li": "",
}
_STEP_3 = {
    "ational": "ate",
    "tional": "tion",
    "alize": "al",
    "icate": "ic",
    "iciti": "ic",
    "ative": "",
    "ical": "ic",
    "ness": "",
    "ful": "",
}
_STEP_4 = (
    *("ement", "ance", "ence", "able", "ible", "ment", "ant", "ent", "ism", "ate", "iti", "ous"),
    *("ive", "ize", "ion", "al", "er", "ic"),
)


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """The stem of a word in lower case.

    >>> stem("generally"), stem("ponies"), stem("hopping"), stem("hoping")
    ('general', 'poni', 'hop', 'hope')
    """
    if len(word) <= 2:
        return word
    word = word.removeprefix("'")
    if word in _SPECIAL:
        return _SPECIAL[word]
    if word in _WHOLE:
        return word
    word = re.sub(f"(^|{_VOWEL})y", lambda m: m[1] + "Y", word)
    first, second = _regions(word)
    word = _step_1a(_step_0(word))
    if word in _WHOLE_AFTER_1A:
        return word
    word = _step_1c(_step_1b(word, first))
    word = _step_3(_step_2(word, first), first, second)
    return _step_5(_step_4(word, second), first, second).replace("Y", "y")


def _regions(word: str) -> tuple[int, int]:
    """Where R1 and R2 begin."""
    start = next((len(s) for s in _R1_STARTS if word.startswith(s)), None)
    if start is None:
        found = _REGION.search(word)
        start = found.end() if found is not None else len(word)
    found = _REGION.search(word, start)
    return start, found.end() if found is not None else len(word)


def _ends_short(word: str) -> bool:
    """True for a word that ends in a short syllable."""
    return (
        re.search(f"{_OTHER}{_VOWEL}[^aeiouywxY]$", word) is not None
        or re.fullmatch(f"{_VOWEL}{_OTHER}", word) is not None
    )


def _step_0(word: str) -> str:
    for suffix in ("'s'", "'s", "'"):
        if word.endswith(suffix):
            return word[: -len(suffix)]
    return word


def _step_1a(word: str) -> str:
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith(("ied", "ies")):
        return word[:-2] if len(word) > 4 else word[:-1]
    if word.endswith(("us", "ss")):
        return word
    if word.endswith("s") and re.search(_VOWEL, word[:-2]):
        return word[:-1]
    return word


def _step_1b(word: str, first: int) -> str:
    for suffix in ("eedly", "eed"):
        if word.endswith(suffix):
            return word[: -len(suffix)] + "ee" if len(word) - len(suffix) >= first else word
    for suffix in ("ingly", "edly", "ing", "ed"):
        if not word.endswith(suffix):
            continue
        base = word[: -len(suffix)]
        if not re.search(_VOWEL, base):
            return word
        if base.endswith(("at", "bl", "iz")):
            return base + "e"
        if base.endswith(_DOUBLES):
            return base[:-1]
        return base + "e" if first >= len(base) and _ends_short(base) else base
    return word


def _step_1c(word: str) -> str:
    return word[:-1] + "i" if re.search(f".{_OTHER}[yY]$", word) else word


def _step_2(word: str, first: int) -> str:
    suffix = next((s for s in _STEP_2 if word.endswith(s)), None)
    if suffix is None or len(word) - len(suffix) < first:
        return word
    base = word[: -len(suffix)]
    if suffix == "ogi" and not base.endswith("l"):
        return word
    if suffix == "li" and not re.search("[cdeghkmnrt]$", base):
        return word
    return base + _STEP_2[suffix]


def _step_3(word: str, first: int, second: int) -> str:
    suffix = next((s for s in _STEP_3 if word.endswith(s)), None)
    if suffix is None or len(word) - len(suffix) < first:
        return word
    if suffix == "ative" and len(word) - len(suffix) < second:
        return word
    return word[: -len(suffix)] + _STEP_3[suffix]


def _step_4(word: str, second: int) -> str:
    suffix = next((s for s in _STEP_4 if word.endswith(s)), None)
    if suffix is None or len(word) - len(suffix) < second:
        return word
    base = word[: -len(suffix)]
    return word if suffix == "ion" and not base.endswith(("s", "t")) else base


def _step_5(word: str, first: int, second: int) -> str:
    if word.endswith("e"):
        base = word[:-1]
        if len(base) >= second or (len(base) >= first and not _ends_short(base)):
            return base
    elif word.endswith("ll") and len(word) - 1 >= second:
        return word[:-1]
    return word
