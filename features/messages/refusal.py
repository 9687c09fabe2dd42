"""Refusal of a whole document, by the name of a rule."""


class DocumentRefusedError(Exception):
    """A document is not read at all; names the rule, and the line where there is one.

    It never leaves this package: a translation reports it.
    """

    def __init__(self, rule: str, *, line: int | None = None, detail: str = "") -> None:
        super().__init__(rule, line, detail)
        self.rule = rule
        self.line = line
        self.detail = detail

    def __str__(self) -> str:
        where = "" if self.line is None else f", line {self.line}"
        return f"the document was refused ({self.rule}{where}){self.detail and f': {self.detail}'}"
