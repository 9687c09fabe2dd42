"""The post that a report names, by the names of the network file.

Names are compared as they sound: ``Ойбек`` and ``Oybek`` are one.
"""

import re
from collections.abc import Iterable, Mapping

from features.seizure_reports.folded_text import FoldedText, Term, fold

SHORTEST_NAME = 4
_LATIN = str.maketrans(
    dict(zip("абвгдезийклмнопрстуфхыэqxw", "abvgdeziyklmnoprstufhiekhv", strict=True))
    | {"ж": "j", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "sh", "ю": "yu", "я": "ya"}
    | dict.fromkeys("ъь'", "")
)


def find_post(text: FoldedText, posts: Mapping[str, Iterable[str]]) -> Term | None:
    """Return the first post that the text names, by its code or by one of its names."""
    named = ((code, name) for code, names in posts.items() for name in (code, *names))
    sounds = {_sound(name): code for code, name in named if len(name) >= SHORTEST_NAME}
    longest = sorted(sounds, key=len, reverse=True)
    for match in re.finditer(r"[^\W_]+(?:['-][^\W_]+)*", text.folded):
        sound = _sound(match[0])
        for name in longest:
            if sound.startswith(name) and len(sound) - len(name) <= 5:
                return Term(sounds[name], match.start(), match.end())
    return None


def _sound(name: str) -> str:
    return fold(name).replace("o'", "u").replace("kh", "h").replace("zh", "j").translate(_LATIN)
