"""Registration plates in the text of a report.

A group of letters and digits after a word for a plate counts; without such a word only what has
the form of a plate of the countries around.
"""

import re
from collections.abc import Iterator

from features.seizure_reports.folded_text import FoldedText, Passage

_LETTER = "A-ZА-ЯЎҚҒҲ"
_NAMED = re.compile(
    r"(?:plates?|registration(?: number| plate| no\.?)?|reg\. ?no\.?|number plate|"
    r"гос\.? ?(?:рег\.? ?)?(?:номер\w*|знак\w*)|госномер\w*|г/н|г\.н\.|гос\. ?№|государственн\w+ "
    r"(?:регистрационн\w+ )?(?:номер\w*|знак\w*)|регистрационн\w+ (?:номер\w*|знак\w*)|"
    r"номерн\w+ знак\w*|"
    r"davlat raqam\w*(?: belgisi)?|d/r|давлат ракам\w*(?: белгиси)?|раками давлати\w*|"
    r"ракамаи давлати\w*|раками кайди?\w*)[\s:«\"„“№]*(?:no\.?|number|№|is|was)?[\s:«\"„“]*"
)
_TOKEN = re.compile(rf"[{_LETTER}0-9]{{1,6}}(?:[ -]?[{_LETTER}0-9]{{1,6}}){{0,4}}")
_FORMS = re.compile(
    rf"(?<![\w.,/-])(?:\d\d ?[{_LETTER}] ?\d{{3}} ?[{_LETTER}]{{2}}"  # UZ, persons
    rf"|\d\d ?\d{{3}} ?[{_LETTER}]{{3}}"  # UZ, firms
    rf"|\d{{4}} ?[{_LETTER}]{{2}} ?\d\d"  # TJ
    rf"|\d\d ?KG ?\d{{3}} ?[{_LETTER}]{{2,3}}"  # KG
    rf"|\d{{3}} ?[{_LETTER}]{{2,3}} ?\d\d"  # KZ
    rf"|[{_LETTER}] ?\d{{3}} ?[{_LETTER}]{{2}} ?\d{{2,3}}"  # RU
    rf"|[{_LETTER}]{{2}} ?\d{{4}} ?[{_LETTER}]{{2}})(?![\w])"  # TM
)


def find_plates(text: FoldedText) -> Iterator[Passage]:
    """Yield the plates in the order of the text, the same one once."""
    seen: set[str] = set()
    in_form = ((match.start(), match.end()) for match in _FORMS.finditer(text.text))
    places = sorted({*_find_named(text), *in_form})
    for start, end in places:
        plate = re.sub(r"[ -]", "", text.text[start:end])
        if not any(plate in other for other in seen):
            seen.add(plate)
            yield text.passage(start, end)


def _find_named(text: FoldedText) -> Iterator[tuple[int, int]]:
    for match in _NAMED.finditer(text.folded):
        token = _TOKEN.match(text.text, match.end())
        if token and sum(letter.isdigit() for letter in token[0]) >= 3:
            yield token.start(), token.end()
