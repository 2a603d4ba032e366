"""The language of `-Y`: text to a test that can be held against columns.

    outcome == refused and server.port in {80, 443, 8000..8100} and rtt.total > 50ms
    client.ip in 10.0.0.0/8 or cause contains "unreachable"
    not decided

Fields are named as in the schema.  All mistakes, of names and kinds too, are found before a capture is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken, v_args
from lark.exceptions import VisitError

from handshake_inspect.errors import UsageError
from handshake_inspect.expression import literals, questions
from handshake_inspect.expression.wireshark import ALIASES, HINTS
from handshake_inspect.report.fields import Field, find
from handshake_inspect.verdicts.findings import KINDS

FINDING = "finding"  # which is no field: connections do not know of what they are evidence
_PROTOCOLS = ("http.", "icmp.")  # of which connections know nothing
_SIGNS = {"=": "==", "eq": "==", "ne": "!=", "gt": ">", "lt": "<", "ge": ">=", "le": "<="}

LONGEST = 10_000  # characters
DEEPEST = 100  # parentheses and negations within each other

GRAMMAR = r"""
start: either
?either: both (("or" | "||") both)*
?both: single (("and" | "&&") single)*
?single: ("not" | "!") single -> negation
       | "(" either ")"
       | NAME OP value        -> comparison
       | NAME "in" set        -> membership
       | NAME "not" "in" set  -> exclusion
       | NAME "contains" value -> contains
       | NAME ("matches" | "~") value -> matches
       | NAME                 -> flag
?set: "{" item (","? item)* "}"
    | item
item: value [".." value]
value: STRING | DATE | DURATION | NUMBER | HEX | IPV4 | IPV6 | NAME

OP.2: /==|!=|<=|>=|<|>|=|(eq|ne|gt|lt|ge|le)(?![A-Za-z0-9_.-])/
DATE.5: /[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?/
STRING: /"[^"\\]*(?:\\.[^"\\]*)*"/ | /'[^'\\]*(?:\\.[^'\\]*)*'/
DURATION.2: /[0-9]+(\.[0-9]+)? ?(ns|us|µs|μs|ms|s|min|m|h|d)(?![A-Za-z0-9_])/
HEX.2: /0x[0-9A-Fa-f]+/
NUMBER: /[0-9]+/
IPV4.3: /[0-9]{1,3}(\.[0-9]{1,3}){3}(\/[0-9]{1,3})?/
IPV6.4: /(?=[0-9A-Fa-f]*:[0-9A-Fa-f]*:)[0-9A-Fa-f:.]+(\/[0-9]{1,3})?/
NAME: /[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_][A-Za-z0-9_-]*)*/
%import common.WS
%ignore WS
"""

_EXPECTED = {
    "NAME": "a field", "OP": "a comparison (== != < <= > >=)", "STRING": "a value", "LBRACE": "'{'", "RBRACE": "'}'",
    "LPAR": "'('", "RPAR": "')'", "COMMA": "','", "AND": "'and'", "OR": "'or'", "IN": "'in'", "NOT": "'not'",
    "__ANON_2": "'..'", "$END": "the end",
}  # fmt: skip


_TCPDUMP = re.compile(r"\s*((tcp|udp|ip6?|src|dst)\s+)*(port|portrange|host|net)\s+[\w.:/-]+", re.IGNORECASE)
NO_TCPDUMP = "this looks like a filter of tcpdump; ask for ip.addr == 10.0.0.1 and tcp.port == 80"
NO_UNIT = "only durations have a unit: write the number out, such as 1000"


class ExpressionError(UsageError):
    """An expression that cannot be meant; its notes show the place."""

    def __init__(self, message: str, text: str, place: int) -> None:
        """`place` counts characters of `text`."""
        super().__init__(message)
        if not text.strip():
            return
        # One sign for one character, so that the caret stands where it should.
        shown = "".join(sign if sign.isprintable() else " " for sign in text)
        start = max(0, place - 60)
        self.add_note(f"  {shown[start : start + 100]}")
        self.add_note(f"  {' ' * (place - start)}^")


@cache
def _parser() -> Lark:
    return Lark(GRAMMAR, parser="lalr", lexer="contextual")


def parse(text: str) -> questions.Test:
    """Read an expression; ExpressionError says what is wrong with it, and where."""
    if len(text) > LONGEST:
        raise UsageError(f"an expression of {len(text)} characters is too long ({LONGEST} are allowed)")
    depth = text.count("(") + text.count("!") + len(re.findall(r"\bnot\b", text))
    if depth > DEEPEST:
        raise UsageError(f"an expression with more than {DEEPEST} parentheses and negations is too deep")
    if not text.strip():
        raise ExpressionError("the expression is empty; write one such as outcome == refused", text, 0)
    try:
        test: questions.Test = _Reader(text).transform(_parser().parse(text))
    except UnexpectedCharacters as error:
        place = error.pos_in_stream or 0
        if re.search(r"\d$", text[:place]) and re.match(r"\.\d", text[place:]):
            raise ExpressionError("a number with a fraction needs a unit, such as 0.5ms", text, place) from None
        raise ExpressionError(f"unexpected {text[place]!r}; text with signs goes in quotes", text, place) from None
    except UnexpectedToken as error:
        place = len(text.rstrip()) if error.token.type == "$END" else error.token.start_pos or 0
        number_before = 0 < place < len(text) and text[place - 1].isdigit()
        unit = number_before and text[place].isalpha()
        known = NO_UNIT if unit else NO_TCPDUMP if _TCPDUMP.match(text) else ""
        raise ExpressionError(known or _what_was_expected(error), text, place) from None
    except UnexpectedInput as error:
        raise ExpressionError("this is not an expression", text, error.pos_in_stream or 0) from None
    except VisitError as error:
        raise error.orig_exc from None
    return test


def _what_was_expected(error: UnexpectedToken) -> str:
    words = sorted({_EXPECTED[name] for name in error.accepts or error.expected if name in _EXPECTED})
    if "a value" in words:
        words = [word for word in words if word != "a field"]
    found = "the expression ends here" if error.token.type == "$END" else f"unexpected {str(error.token)!r}"
    return f"{found}; expected {', '.join(words[:-1])}{' or ' if words[1:] else ''}{words[-1]}" if words else found


@v_args(inline=True)
class _Reader(Transformer[Token, Any]):
    """Grammar to tests, with everything checked that can be known without connections."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def start(self, test: questions.Test) -> questions.Test:
        return test

    def either(self, *parts: questions.Test) -> questions.Test:
        return questions.Either(parts)

    def both(self, *parts: questions.Test) -> questions.Test:
        return questions.Both(parts)

    def negation(self, test: questions.Test) -> questions.Test:
        return questions.Negation(test)

    def flag(self, name: Token) -> questions.Test:
        field = self._field(name)
        if field.kind != "flag":
            raise self._error(f"{field.name} needs a comparison: only true or false can stand alone", name)
        return questions.Flag(field)

    def value(self, token: Token) -> Token:
        return token

    def item(self, low: Token, high: Token | None) -> tuple[Token, Token | None]:
        return low, high

    def set(self, *items: tuple[Token, Token | None]) -> list[tuple[Token, Token | None]]:
        return list(items)

    def comparison(self, name: Token, sign: Token, token: Token) -> questions.Test:
        operator = _SIGNS.get(str(sign), str(sign))
        if name == FINDING:
            return self._of_finding(operator, sign, [(token, None)])
        if operator == "!=":  # of several fields none may be equal
            return questions.Negation(self._any(name, lambda field: self._compared(field, name, "==", sign, token)))
        return self._any(name, lambda field: self._compared(field, name, operator, sign, token))

    def _compared(self, field: Field, name: Token, operator: str, sign: Token, token: Token) -> questions.Test:
        if token.type == "NAME" and str(token) == "null":
            if operator != "==":
                raise self._error("null can only be compared with == and !=", sign)
            return questions.Negation(questions.Known(field))
        other = self._other_field(field, token)
        if operator != "==" and field.kind in ("word", "text", "flag", "address"):
            raise self._error(f"{field.name} has no order: use ==, != or in", sign)
        if other is not None:
            return questions.FieldComparison(field, operator, other)
        low, high = self._literal(field, name, token)
        if low != high and field.kind != "address":
            raise self._error("this is a range: use in", token)
        return questions.Comparison(field, operator, low, high)

    def membership(self, name: Token, items: Any) -> questions.Test:
        if name == FINDING:
            return self._of_finding("==", name, self._listed(items))
        return self._any(name, lambda field: self._member(field, name, items))

    def _member(self, field: Field, name: Token, items: Any) -> questions.Test:
        return questions.Membership(field, tuple(self._range(field, name, item) for item in self._listed(items)))

    def exclusion(self, name: Token, items: Any) -> questions.Test:
        return questions.Negation(self.membership(name, items))

    def contains(self, name: Token, token: Token) -> questions.Test:
        return self._matching(name, re.compile(re.escape(literals.text(token)), re.IGNORECASE))

    def matches(self, name: Token, token: Token) -> questions.Test:
        try:
            return self._matching(name, re.compile(literals.text(token), re.IGNORECASE))
        except re.error as error:
            raise self._error(f"not a regular expression: {error.msg}", token) from None

    def _matching(self, name: Token, pattern: re.Pattern[str]) -> questions.Test:
        if name == FINDING:
            return questions.OfFinding(find("id"), lambda word: pattern.search(word) is not None)
        return self._any(name, lambda field: questions.Matching(self._text(field, name), pattern), "texts")

    def _of_finding(self, operator: str, sign: Token, items: list[tuple[Token, Token | None]]) -> questions.Test:
        """Whether a connection is evidence of such a finding."""
        if operator not in ("==", "!="):
            raise self._error("finding has no order: use ==, != or in", sign)
        words = set()
        for token, high in items:
            word = literals.text(token)
            if word not in KINDS or high is not None:
                near = get_close_matches(word, KINDS, n=1)
                raise self._error(f"there is no finding {word!r}{f'; did you mean {near[0]}?' if near else ''}", token)
            words.add(word)
        test = questions.OfFinding(find("id"), words.__contains__)
        return questions.Negation(test) if operator == "!=" else test

    def _any(self, name: Token, made: Callable[[Field], questions.Test], lists: str = "") -> questions.Test:
        """What is asked of the field, or of each of those that a name stands for."""
        fields = [self._field(name, lists, meant) for meant in ALIASES.get(str(name), (str(name),))]
        tests = tuple(made(field) for field in fields)
        return tests[0] if len(tests) == 1 else questions.Either(tests)

    def _listed(self, items: Any) -> list[tuple[Token, Token | None]]:
        return [items] if isinstance(items, tuple) else items

    def _range(self, field: Field, name: Token, item: tuple[Token, Token | None]) -> tuple[Any, Any]:
        low, high = self._literal(field, name, item[0])
        if item[1] is None:
            return low, high
        if field.kind in ("word", "text", "flag"):
            raise self._error(f"{field.name} has no ranges", item[0])
        high = self._literal(field, name, item[1])[1]
        if high < low:
            raise self._error("the range ends before it begins", item[0])
        return low, high

    def _field(self, name: Token, lists: str = "", meant: str = "") -> Field:
        try:
            field = find(meant or str(name))
        except UsageError as error:
            raise self._error(_hint(str(name)) or str(error), name) from None
        if field.kind in ("list", "texts") and field.kind != lists:
            known = "; use contains or matches" if field.kind == "texts" else ""
            raise self._error(f"{field.name} is a list, which cannot be compared{known}", name)
        return field

    def _text(self, field: Field, name: Token) -> Field:
        """The field, if it is of text, or of several, which are looked at one behind the other with spaces between."""
        if field.kind not in ("word", "text", "texts"):
            raise self._error(f"{field.name} is not text: compare it with == or in", name)
        return field

    def _other_field(self, field: Field, token: Token) -> Field | None:
        """The field on the right side, unless what stands there is a word."""
        if token.type != "NAME" or str(token) in field.words or token in ("true", "false"):
            return None
        try:
            other = find(str(token))
        except UsageError:
            return None
        if other.kind != field.kind:
            raise self._error(f"{field.name} and {other.name} are of different kinds", token)
        return other

    def _literal(self, field: Field, name: Token, token: Token) -> tuple[Any, Any]:
        if field.kind == "duration" and token.type == "NUMBER" and int(token) and not name.endswith("_ns"):
            raise self._error(f"{name} is a duration: give a unit, such as {token}ms", token)
        try:
            return literals.bounds(field, token)
        except ValueError as error:
            raise self._error(str(error), token) from None

    def _error(self, message: str, token: Token) -> ExpressionError:
        return ExpressionError(message, self.text, token.start_pos or 0)


def _hint(name: str) -> str:
    """What to ask for instead of a name that is no field, where that can be guessed."""
    if name == FINDING:
        return "finding needs a comparison, such as finding == syn-flood"
    packets = name if name in HINTS else name.partition(".")[0] if name.startswith(_PROTOCOLS) else ""
    if packets:
        return f"{name} is a field of packets; {HINTS[packets]}"
    for field in ("outcome", "cause", "close.how", "state.client"):
        if name in find(field).words:
            return f"no field {name}; did you mean {field} == {name}?"
    return f"no field {name}; did you mean finding == {name}?" if name in KINDS else ""
