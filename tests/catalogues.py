"""Which texts the pages say, and whether every language has them.

``python tests/catalogues.py`` brings the catalogues up to date: new texts come in untranslated,
those that nothing says any more leave.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import write_po

from api.pages.languages import FOLDER, LANGUAGES, read_catalogue
from api.pages.phrases import EVERY

PAGES = Path(__file__).parents[1] / "api" / "pages"
KEYWORDS = {"_": None, "N_": None, "say": None}
PLACES = re.compile(r"\{\w+\}|%\(\w+\)s")
HEADER = """# Texts of Darvoza's pages: {name}.
# Made without a native reader: every text wants one's check before officers rely on it.
"""


@cache
def wanted() -> Mapping[str, str]:
    """Return every text that a page says, with the file that says it first."""
    found: dict[str, str] = {}
    for method, pattern in (("jinja2.ext:babel_extract", "templates/*.html"), ("python", "*.py")):
        for path in sorted(PAGES.glob(pattern)):
            options = {"newstyle_gettext": "true"}
            for _, text, _, _ in extract_from_file(method, path, KEYWORDS, options=options):
                found.setdefault(text if isinstance(text, str) else text[0], path.name)
    return found | {text: found.get(text, "phrases.py") for text in EVERY}


def places(text: str) -> list[str]:
    """Return the places of a text that values fill."""
    return sorted(PLACES.findall(text))


def update(code: str) -> None:
    """Write a catalogue anew, with what it said already."""
    known = read_catalogue(code)
    made = Catalog(
        locale=code,
        header_comment=HEADER.format(name=LANGUAGES[code]),
        project="Darvoza",
        version="1",
        last_translator="none; wants a native reader",
        language_team=LANGUAGES[code],
        creation_date=known.creation_date,
        revision_date=known.creation_date,
        fuzzy=False,
    )
    for text, path in wanted().items():
        old = known.get(text)
        made.add(text, old.string if old is not None else "", locations=[(path, 0)])
    with (FOLDER / f"{code}.po").open("wb") as file:
        write_po(file, made, width=100, include_lineno=False)


if __name__ == "__main__":
    for language in LANGUAGES:
        if language != "en":
            update(language)
