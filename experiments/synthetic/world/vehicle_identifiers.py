"""Identifiers of a conveyance: plates, VINs, container numbers.

Formats of Uzbek, Kazakh, Kyrgyz and Tajik plates are public; Turkmen, Afghan and trailer
formats are assumed. Numbers are synthetic. Check digits are right in most VINs and containers.
"""

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.config import Ints
from experiments.synthetic.world.network import COUNTRIES

STYLES = ("compact", "spaced", "dashed", "lower", "cyrillic")
"""How a plate reader may write one plate."""

_REGIONS = {
    "UZ": ["01", "10", "20", "25", "30", "40", "50", "60", "70", "75", "80", "85", "90", "95"],
    "KZ": [f"{n:02d}" for n in range(1, 21)],
    "KG": [f"{n:02d}" for n in range(1, 10)],
    "TJ": [f"{n:02d}" for n in range(1, 9)],
    "TM": ["AG", "AH", "BN", "DZ", "LB", "MR"],
    "AF": ["KBL", "BLH", "KDZ", "HRT", "NGR"],
}
_LETTERS = "ABCDEFHKMNPRSTUXYZ"
_CYRILLIC = str.maketrans("ABEKMHOPCTYX", "АВЕКМНОРСТУХ")
_VIN_ALPHABET = np.frombuffer(b"0123456789ABCDEFGHJKLMNPRSTUVWXYZ", np.uint8)
_VIN_VALUE = np.array([*range(10), *map(int, "12345678123457923456789")])
_VIN_WEIGHT = np.array([8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2])
_MAKERS = (b"XTC", b"LZZ", b"WDB", b"YV2", b"XWB", b"VF6", b"LGA", b"KMF", b"JTE", b"X9F")
_OWNERS = (b"MSCU", b"TGHU", b"CXDU", b"TCNU", b"RZDU", b"TKRU", b"SEGU", b"UZTU")


def _letters(number: int, count: int) -> str:
    text = ""
    for _ in range(count):
        number, digit = divmod(number, len(_LETTERS))
        text = _LETTERS[digit] + text
    return text


def _plate(country: str, number: int, is_company: bool) -> str:
    regions = _REGIONS[country]
    rest, region = number // len(regions), regions[number % len(regions)]
    if country == "AF":
        return f"{region} {rest % 100_000:05d}"
    if country in ("TJ", "TM"):
        rest, digits = divmod(rest, 10_000)
        letters = _letters(rest % 324, 2)
        order = (f"{digits:04d}", letters) if country == "TJ" else (letters, f"{digits:04d}")
        return f"{order[0]} {order[1]} {region}"
    rest, digits = divmod(rest, 1000)
    letters = _letters(rest % 5832, 3)
    if country == "UZ":
        tail = (
            f"{digits:03d} {letters}" if is_company else f"{letters[0]} {digits:03d} {letters[1:]}"
        )
        return f"{region} {tail}"
    return (
        f"{digits:03d} {letters} {region}"
        if country == "KZ"
        else f"{region} KG {digits:03d} {letters}"
    )


def plates(rng: np.random.Generator, country: Ints, is_company: NDArray[np.bool_]) -> list[str]:
    """Return one plate a vehicle, shape (n,), unlike all others of its country and kind."""
    start = rng.integers(0, 10**6, len(COUNTRIES))
    taken = dict.fromkeys(range(len(COUNTRIES)), 0)
    found = []
    for where, company in zip(country.tolist(), is_company.tolist(), strict=True):
        name = COUNTRIES[where]
        space = 500_000 if name == "AF" else 5_000_000
        number = (int(start[where]) + taken[where] * 611_953) % space  # a step coprime to both
        taken[where] += 1
        found.append(_plate(name, number, company))
    return found


def trailers(rng: np.random.Generator, count: int) -> list[str]:
    """Return trailer plates: four digits, two letters, a region."""
    numbers = (int(rng.integers(0, 10**6)) + np.arange(count) * 611_953) % 32_000_000
    return [
        f"{n % 10_000:04d} {_letters(n // 10_000, 2)} {n % 14 * 5 + 1:02d}"
        for n in numbers.tolist()
    ]


def style_plates(found: list[str]) -> list[str]:
    """Return every plate in each of the styles: all compact ones first, then all spaced, ..."""
    compact = [plate.replace(" ", "") for plate in found]
    return [
        *compact,
        *found,
        *(plate.replace(" ", "-") for plate in found),
        *(plate.lower() for plate in compact),
        *(plate.translate(_CYRILLIC) for plate in compact),
    ]


def vins(rng: np.random.Generator, count: int) -> NDArray[np.str_]:
    """Return VINs, shape (count,); one in five has a check digit that does not hold.

    Outside China it need not hold.
    """
    code = rng.integers(0, len(_VIN_VALUE), (count, 17))
    code[:, 11:] = rng.integers(0, 10, (count, 6))
    lookup = {char: i for i, char in enumerate(_VIN_ALPHABET.tobytes())}
    makers = np.array([[lookup[char] for char in maker] for maker in _MAKERS])
    code[:, :3] = makers[rng.integers(0, len(makers), count)]
    check = (_VIN_VALUE[code] * _VIN_WEIGHT).sum(axis=1) % 11
    text = _VIN_ALPHABET[code].copy()
    right = np.frombuffer(b"0123456789X", np.uint8)[check]
    text[:, 8] = np.where(rng.random(count) < 0.8, right, text[:, 8])
    return text.view("S17").ravel().astype(np.str_)


def containers(rng: np.random.Generator, count: int) -> NDArray[np.str_]:
    """Return container numbers, shape (count,), by ISO 6346; 2 % of check digits are wrong."""
    owner = np.array([list(name) for name in _OWNERS], np.uint8)[
        rng.integers(0, len(_OWNERS), count)
    ]
    digits = rng.integers(0, 10, (count, 6))
    letter_value = np.array([n for n in range(10, 39) if n % 11])[owner - ord("A")]
    values = np.concatenate([letter_value, digits], axis=1)
    check = (values * 2 ** np.arange(10)).sum(axis=1) % 11 % 10
    check = np.where(rng.random(count) < 0.02, (check + 1 + rng.integers(0, 9, count)) % 10, check)
    text = np.concatenate([owner, digits + 48, check[:, None] + 48], axis=1).astype(np.uint8)
    return np.ascontiguousarray(text).view("S11").ravel().astype(np.str_)
