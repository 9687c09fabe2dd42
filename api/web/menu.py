"""Menu in the head of every page: one list, in the order of a night's work.

Pages that the user's role cannot open are omitted. Of a long menu the end is folded away, so that
it has one row in every language.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from urllib.parse import quote

from api.areas import MenuEntry, list_doors
from api.web.i18n import N_
from api.web.visitor import Visitor, json_route

_CORE = (
    MenuEntry("/posts/{post}/queue", "Queue", 10),
    MenuEntry("/posts/{post}/shift", "Shift report", 20),
    MenuEntry("/integrity", "Integrity", 30),
    MenuEntry("/notifications", "Notifications", 50),
    MenuEntry("/journal", "Journal", 60),
    MenuEntry("/", "Posts", 70),
    MenuEntry("/network", "Network", 80),
    MenuEntry("/figures", "Figures", 85),
    MenuEntry("/decisions", "Decisions", 90),
    MenuEntry("/declarations", "Expected arrivals", 172),
    MenuEntry("/watchlist", "Watch list", 110),
    MenuEntry("/known-lawful", "Known lawful trade", 115),
    MenuEntry("/profiles", "Profiles", 120),
    MenuEntry("/register", "Register of rules", 125),
    MenuEntry("/models", "Models", 130),
    MenuEntry("/audits", "Audits", 176),
    MenuEntry("/finds", "Finds to confirm", 177),
    MenuEntry("/drift", "Drift", 135),
    MenuEntry("/policy", "Policy", 145),
    MenuEntry("/documents-asked", "Documents asked for", 178),
    MenuEntry("/quality", "Data quality", 180),
    MenuEntry("/people", "People and keys", 190),
    MenuEntry("/proposals", "Proposals", 140),
    MenuEntry("/posts/{post}/draws", "Draws", 205),
)
SECTIONS: Mapping[str, str] = {
    entry.path: entry.text
    for entry in sorted(
        (*_CORE, *(entry for doors in list_doors() for entry in doors.menu)),
        key=attrgetter("place"),
    )
}
"""Path and name of every link; one with a post stands on that post's pages alone."""
OF_EVERY_POST = frozenset({"/network", "/queries", "/jobs"})
"""Pages for who reaches every post."""
MOST, SHOWN = 10, 9
"""Links that stand side by side, and how many of them do where there are more."""


@dataclass(frozen=True, slots=True)
class MenuLink:
    """One link of the menu."""

    text: str
    path: str
    is_here: bool


def menu(
    visitor: Visitor | None, post: str | None, path: str, *, training: str = ""
) -> list[MenuLink]:
    """Return what the menu of a page at ``path`` offers its visitor.

    ``training`` is the address of a training home, empty for none.
    """
    if visitor is None:
        return []
    found = []
    for pattern, text in SECTIONS.items():
        if _is_open(pattern, visitor) and (post is not None or "{post}" not in pattern):
            to = pattern.replace("{post}", quote(post or "", safe=""))
            inside = path == to or (to != "/" and path.startswith(f"{to}/"))
            found.append(MenuLink(text, to, inside))
    return [*found, MenuLink(N_("Exercises"), training, is_here=False)] if training else found


def _is_open(pattern: str, visitor: Visitor) -> bool:
    """Tell whether a page is for this visitor; pages of all posts are for users of several."""
    if pattern == "/":
        return not visitor.caller.post
    if pattern in OF_EVERY_POST and visitor.caller.post:
        return False
    return visitor.may(*json_route("GET", pattern))


def split_menu(links: Sequence[MenuLink]) -> tuple[Sequence[MenuLink], Sequence[MenuLink]]:
    """Return the links that are shown, and those that are folded away behind them."""
    shown = len(links) if len(links) <= MOST else SHOWN
    return links[:shown], links[shown:]
