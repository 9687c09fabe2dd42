"""Two languages that nobody speaks, made from the texts while a test runs.

In one every word is 40 % longer; the other is written from right to left.
"""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

from api.web import i18n
from api.web.templates_env import environment
from tests.catalogues import list_texts

_KEPT = re.compile(r"(%\(\w+\)s|%%|\{\w*\}|<[^>]+>|&\w+;)")
"""What a text must keep as it is: places of values, and markup."""
_WORD = re.compile(r"[^\W\d_]+")
_ARABIC = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ابتثجحخدذرزسشصضطظعغفقكلمنه")


def _lengthen(text: str) -> str:
    return _WORD.sub(lambda word: word[0] + word[0][-1] * round(0.4 * len(word[0]) + 0.5), text)


def _reverse(text: str) -> str:
    return text.lower().translate(_ARABIC)


PSEUDO: Mapping[str, Callable[[str], str]] = {"de": _lengthen, "fa": _reverse}
"""By the code of a language whose numbers, dates and direction are known to Babel."""


def _translate(text: str, change: Callable[[str], str]) -> str:
    return "".join(part if at % 2 else change(part) for at, part in enumerate(_KEPT.split(text)))


@contextmanager
def speak_pseudo_languages(folder: Path) -> Iterator[None]:
    """Let pages speak the pseudo-languages, with catalogues that are written into a new folder."""
    shutil.copytree(i18n.FOLDER, folder)
    for code, change in PSEUDO.items():
        made = Catalog(locale=code)
        for text in list_texts():
            both = (text, text) if isinstance(text, str) else text
            said = tuple(_translate(one, change) for one in both)
            made.add(text, said[0] if isinstance(text, str) else said[-made.num_plurals :])
        with (folder / f"{code}.po").open("wb") as file:
            write_po(file, made)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(i18n, "FOLDER", folder)
        for code in PSEUDO:
            patch.setitem(i18n.LANGUAGES, code, code)
        yield
    i18n.translations.cache_clear()
    environment.cache_clear()
