"""Numbers of a report, in digits by the marks of its language or in words.

English writes 2,300 for two thousand three hundred and 2.3 with a point; Russian, Uzbek and Tajik
write 2 300 and 2,3, and a point before three digits of a weight stands for the comma.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from features.seizure_reports.folded_text import FoldedText, Language, fold

_DIGITS = re.compile(r"(?<![\w.,])(?:\d{1,3}(?:[ ]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)*)(?!\d)")
_WORDS: Mapping[Language, Mapping[float, str]] = {
    "en": {
        0.5: "half",
        1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight",
        9: "nine", 10: "ten", 11: "eleven", 12: "twelve", 13: "thirteen", 14: "fourteen",
        15: "fifteen", 16: "sixteen", 17: "seventeen", 18: "eighteen", 19: "nineteen",
        20: "twenty", 30: "thirty", 40: "forty", 50: "fifty", 60: "sixty", 70: "seventy",
        80: "eighty", 90: "ninety", 100: "hundred", 1000: "thousand",
    },
    "ru": {
        0.5: "половина половину полкило полкилограмма", 1.5: "полтора полутора",
        1: "один одного одна одной одном одну", 2: "два две двух", 3: "три трех",
        4: "четыре четырех", 5: "пять пяти", 6: "шесть шести", 7: "семь семи",
        8: "восемь восьми", 9: "девять девяти", 10: "десять десяти",
        11: "одиннадцать одиннадцати", 12: "двенадцать двенадцати", 13: "тринадцать тринадцати",
        14: "четырнадцать четырнадцати", 15: "пятнадцать пятнадцати",
        16: "шестнадцать шестнадцати", 17: "семнадцать семнадцати",
        18: "восемнадцать восемнадцати", 19: "девятнадцать девятнадцати",
        20: "двадцать двадцати", 30: "тридцать тридцати", 40: "сорок сорока",
        50: "пятьдесят пятидесяти", 60: "шестьдесят шестидесяти", 70: "семьдесят семидесяти",
        80: "восемьдесят восьмидесяти", 90: "девяносто девяноста", 100: "сто ста",
        200: "двести двухсот", 300: "триста трехсот", 400: "четыреста четырехсот",
        500: "пятьсот пятисот", 600: "шестьсот шестисот", 700: "семьсот семисот",
        800: "восемьсот восьмисот", 900: "девятьсот девятисот",
        1000: "тысяча тысячи тысяч тысячу",
    },
    "uz": {
        0.5: "yarim ярим",
        1: "bir бир", 2: "ikki икки", 3: "uch уч", 4: "toʻrt тўрт", 5: "besh беш",
        6: "olti олти", 7: "yetti етти", 8: "sakkiz саккиз", 9: "toʻqqiz тўққиз",
        10: "oʻn ўн", 20: "yigirma йигирма", 30: "oʻttiz ўттиз", 40: "qirq қирқ",
        50: "ellik эллик", 60: "oltmish олтмиш", 70: "yetmish етмиш", 80: "sakson саксон",
        90: "toʻqson тўқсон", 100: "yuz юз", 1000: "ming минг",
    },
    "tg": {
        0.5: "ним",
        1: "як", 2: "ду", 3: "се", 4: "чор чаҳор", 5: "панҷ", 6: "шаш", 7: "ҳафт", 8: "ҳашт",
        9: "нӯҳ", 10: "даҳ", 11: "ёздаҳ", 12: "дувоздаҳ", 13: "сездаҳ", 14: "чордаҳ",
        15: "понздаҳ", 16: "шонздаҳ", 17: "ҳабдаҳ", 18: "ҳаждаҳ", 19: "нуздаҳ", 20: "бист",
        30: "сӣ", 40: "чил", 50: "панҷоҳ", 60: "шаст", 70: "ҳафтод", 80: "ҳаштод",
        90: "навад", 100: "сад яксад", 200: "дусад", 300: "сесад", 400: "чорсад", 500: "панҷсад",
        600: "шашсад", 700: "ҳафтсад", 800: "ҳаштсад", 900: "нӯҳсад", 1000: "ҳазор",
    },
}  # fmt: skip
_JOINERS: Mapping[Language, frozenset[str]] = {
    "en": frozenset({"and", "a"}),
    "ru": frozenset(),
    "uz": frozenset(),
    "tg": frozenset({"у", "ву", "ва"}),
}
_VALUES: Mapping[Language, Mapping[str, float]] = {
    language: {fold(word): value for value, words in table.items() for word in words.split()}
    for language, table in _WORDS.items()
}


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a report and its place."""

    value: float
    start: int
    end: int


def find_numbers(text: FoldedText, language: Language) -> list[Number]:
    """Return the numbers in digits and in words, in the order of the text."""
    digits = [
        Number(value, match.start(), match.end())
        for match in _DIGITS.finditer(text.folded)
        if (value := read_digits(match[0], language)) is not None
    ]
    return sorted([*digits, *_find_words(text.folded, language)], key=lambda one: one.start)


def read_digits(digits: str, language: Language) -> float | None:
    """Return the value of a number in digits; None for what is none, as 07.03.2024.

    >>> read_digits("2,300", "en"), read_digits("2,300", "ru"), read_digits("2 300,5", "ru")
    (2300.0, 2.3, 2300.5)
    """
    plain = digits.replace(" ", "")
    if language == "en":
        if re.fullmatch(r"[1-9]\d{0,2}(,\d{3})+(\.\d+)?", plain):
            plain = plain.replace(",", "")
    elif re.fullmatch(r"\d{1,3}(\.\d{3})+,\d+", plain):
        plain = plain.replace(".", "")
    plain = plain.replace(",", ".")
    return float(plain) if plain.count(".") < 2 else None


def _find_words(folded: str, language: Language) -> Iterator[Number]:
    values, joiners = _VALUES[language], _JOINERS[language]
    run: list[tuple[float, int, int]] = []
    for match in re.finditer(r"[^\W\d_]+(?:'[^\W\d_]+)*", folded):
        word = match[0]
        value = _value_of(word, values)
        if run and folded[run[-1][2] : match.start()].strip(" -"):
            yield _sum(run)
            run = []
        if value is not None:
            run.append((value, match.start(), match.end()))
        elif run and word not in joiners:
            yield _sum(run)
            run = []
        elif run:
            run[-1] = (run[-1][0], run[-1][1], match.end())
    if run:
        yield _sum(run)


def _value_of(word: str, values: Mapping[str, float]) -> float | None:
    """Return the value of a word; Tajik joins the parts of a number by a short u: чилу панч."""
    if word in values:
        return values[word]
    if word.endswith(("у", "ю")) and word[:-1] in values:  # чилу, and after a vowel сию
        return values[word[:-1]]
    for place in range(2, len(word) - 2):
        first, joiner, last = word[:place], word[place], word[place + 1 :]
        if joiner in "ую" and first in values and last in values:
            return values[first] + values[last]
    return None


def _sum(run: list[tuple[float, int, int]]) -> Number:
    """Return the number that words make: hundreds and thousands multiply what stands before."""
    whole = part = 0.0
    for value, _, _ in run:
        if value in (100, 1000) and part:
            part *= value
        else:
            part += value
        if value == 1000:
            whole, part = whole + part, 0.0
    return Number(whole + part, run[0][1], run[-1][2])
