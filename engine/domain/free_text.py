"""Free texts: whether one looks as if it named a person, which no record may."""

import re

_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|['‘’ʻʼ`-](?=[^\W\d_]))+")
_LATIN = "ov|ova|ev|eva|yev|yeva|ovich|evich|yevich|ovna|evna|yevna|skiy|skaya|zoda|zade|zadeh"
_CYRILLIC = "ов|ова|ев|ева|ёв|ёва|ович|евич|овна|евна|ский|ская|зода|заде"
_ENDING = re.compile(rf"(?i:.{{2,}}(?:{_LATIN}|{_CYRILLIC}))")
_PARTICLE = re.compile(
    r"(?i:ugli|o['‘’ʻʼ`]g['‘’ʻʼ`]li|ogly|oglu|qizi|kizi|kyzy|угли|ўғли|оглы|қизи|кизи|кызы)"
)


def looks_like_name(text: str) -> bool:
    """Tell whether a text has two capitalised words in a row, or a surname's or patronymic's form.

    >>> looks_like_name("the driver, Karimov, had no papers")
    True
    >>> looks_like_name("водитель Рахимов Анвар Саидович")
    True
    >>> looks_like_name("Heroin in the fuel tank, 2.3 kg; sealed with 0041")
    False
    """
    before: re.Match[str] | None = None
    for word in _WORD.finditer(text):
        found = word[0]
        is_capital = found[0].isupper() and not found.isupper()
        if (is_capital and _ENDING.fullmatch(found)) or _PARTICLE.fullmatch(found):
            return True
        is_next = before is not None and text[before.end() : word.start()].isspace()
        if is_capital and is_next and before is not None and before[0][0].isupper():
            return True
        before = word if is_capital else None
    return False
