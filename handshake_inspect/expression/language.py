"""The parser for filter expressions (`-Y`), which returns a predicate over columns of connections.

    outcome == refused and server.port in {80, 443, 8000..8100} and rtt.total > 50ms
    client.ip in 10.0.0.0/8 or cause contains "unreachable"
    not decided

Fields are named as in the JSON Schema.  All errors, including unknown names and mismatched types, are reported before a
capture is read.
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
from handshake_inspect.expression import literals, predicates
from handshake_inspect.expression.wireshark import ALIASES, HINTS
from handshake_inspect.report.fields import Field, find
from handshake_inspect.verdicts.findings import KINDS

FINDING = "finding"  # not a field: findings refer to connections, not the other way round
_PROTOCOLS = ("http.", "icmp.")  # Wireshark protocols without fields here
_SIGNS = {"=": "==", "eq": "==", "ne": "!=", "gt": ">", "lt": "<", "ge": ">=", "le": "<="}

MAX_LENGTH = 10_000  # characters
MAX_DEPTH = 100  # nested parentheses and negations

GRAMMAR = r"""
start: disjunction
?disjunction: conjunction (("or" | "||") conjunction)*
?conjunction: term (("and" | "&&") term)*
?term: ("not" | "!") term -> negation
       | "(" disjunction ")"
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
    """An invalid expression; the exception's notes point at the position."""

    def __init__(self, message: str, text: str, place: int) -> None:
        """`place` is the offset of the error in `text`, in characters."""
        super().__init__(message)
        if not text.strip():
            return
        # Replace characters one for one, so that the caret stays aligned.
        shown = "".join(sign if sign.isprintable() else " " for sign in text)
        start = max(0, place - 60)
        self.add_note(f"  {shown[start : start + 100]}")
        self.add_note(f"  {' ' * (place - start)}^")


@cache
def _parser() -> Lark:
    return Lark(GRAMMAR, parser="lalr", lexer="contextual")


def parse(text: str) -> predicates.Predicate:
    """Parse an expression; raise ExpressionError with the reason and the position if it is invalid."""
    if len(text) > MAX_LENGTH:
        raise UsageError(f"an expression of {len(text)} characters is too long ({MAX_LENGTH} are allowed)")
    depth = text.count("(") + text.count("!") + len(re.findall(r"\bnot\b", text))
    if depth > MAX_DEPTH:
        raise UsageError(f"an expression with more than {MAX_DEPTH} parentheses and negations is too deep")
    if not text.strip():
        raise ExpressionError("the expression is empty; write one such as outcome == refused", text, 0)
    try:
        test: predicates.Predicate = _ToPredicate(text).transform(_parser().parse(text))
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
        raise ExpressionError(known or _syntax_error(error), text, place) from None
    except UnexpectedInput as error:
        raise ExpressionError("this is not an expression", text, error.pos_in_stream or 0) from None
    except VisitError as error:
        raise error.orig_exc from None
    return test


def _syntax_error(error: UnexpectedToken) -> str:
    words = sorted({_EXPECTED[name] for name in error.accepts or error.expected if name in _EXPECTED})
    if "a value" in words:
        words = [word for word in words if word != "a field"]
    found = "the expression ends here" if error.token.type == "$END" else f"unexpected {str(error.token)!r}"
    return f"{found}; expected {', '.join(words[:-1])}{' or ' if words[1:] else ''}{words[-1]}" if words else found


@v_args(inline=True)
class _ToPredicate(Transformer[Token, Any]):
    """Transforms a parse tree into a predicate and checks names and types."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def start(self, test: predicates.Predicate) -> predicates.Predicate:
        return test

    def disjunction(self, *parts: predicates.Predicate) -> predicates.Predicate:
        return predicates.Or(parts)

    def conjunction(self, *parts: predicates.Predicate) -> predicates.Predicate:
        return predicates.And(parts)

    def negation(self, test: predicates.Predicate) -> predicates.Predicate:
        return predicates.Not(test)

    def flag(self, name: Token) -> predicates.Predicate:
        field = self._field(name)
        if field.kind != "flag":
            raise self._error(f"{field.name} needs a comparison: only true or false can stand alone", name)
        return predicates.IsTrue(field)

    def value(self, token: Token) -> Token:
        return token

    def item(self, low: Token, high: Token | None) -> tuple[Token, Token | None]:
        return low, high

    def set(self, *items: tuple[Token, Token | None]) -> list[tuple[Token, Token | None]]:
        return list(items)

    def comparison(self, name: Token, sign: Token, token: Token) -> predicates.Predicate:
        operator = _SIGNS.get(str(sign), str(sign))
        if name == FINDING:
            return self._finding_predicate(operator, sign, [(token, None)])
        if operator == "!=":  # an alias for several fields: none of them may be equal
            return predicates.Not(
                self._for_each_field(name, lambda field: self._comparison(field, name, "==", sign, token))
            )
        return self._for_each_field(name, lambda field: self._comparison(field, name, operator, sign, token))

    def _comparison(self, field: Field, name: Token, operator: str, sign: Token, token: Token) -> predicates.Predicate:
        if token.type == "NAME" and str(token) == "null":
            if operator != "==":
                raise self._error("null can only be compared with == and !=", sign)
            return predicates.Not(predicates.IsKnown(field))
        other = self._other_field(field, token)
        if operator != "==" and field.kind in ("word", "text", "flag", "address"):
            raise self._error(f"{field.name} has no order: use ==, != or in", sign)
        if other is not None:
            return predicates.FieldComparison(field, operator, other)
        low, high = self._literal(field, name, token)
        if low != high and field.kind != "address":
            raise self._error("this is a range: use in", token)
        return predicates.Comparison(field, operator, low, high)

    def membership(self, name: Token, items: Any) -> predicates.Predicate:
        if name == FINDING:
            return self._finding_predicate("==", name, self._item_list(items))
        return self._for_each_field(name, lambda field: self._membership(field, name, items))

    def _membership(self, field: Field, name: Token, items: Any) -> predicates.Predicate:
        return predicates.Membership(field, tuple(self._range(field, name, item) for item in self._item_list(items)))

    def exclusion(self, name: Token, items: Any) -> predicates.Predicate:
        return predicates.Not(self.membership(name, items))

    def contains(self, name: Token, token: Token) -> predicates.Predicate:
        return self._matching_text(name, re.compile(re.escape(literals.text(token)), re.IGNORECASE))

    def matches(self, name: Token, token: Token) -> predicates.Predicate:
        try:
            return self._matching_text(name, re.compile(literals.text(token), re.IGNORECASE))
        except re.error as error:
            raise self._error(f"not a regular expression: {error.msg}", token) from None

    def _matching_text(self, name: Token, pattern: re.Pattern[str]) -> predicates.Predicate:
        if name == FINDING:
            return predicates.CitedByFinding(find("id"), lambda word: pattern.search(word) is not None)
        return self._for_each_field(name, lambda field: predicates.Matches(self._text(field, name), pattern), "texts")

    def _finding_predicate(
        self, operator: str, sign: Token, items: list[tuple[Token, Token | None]]
    ) -> predicates.Predicate:
        """Return the predicate for connections cited as evidence by the named findings."""
        if operator not in ("==", "!="):
            raise self._error("finding has no order: use ==, != or in", sign)
        words = set()
        for token, high in items:
            word = literals.text(token)
            if word not in KINDS or high is not None:
                near = get_close_matches(word, KINDS, n=1)
                raise self._error(f"there is no finding {word!r}{f'; did you mean {near[0]}?' if near else ''}", token)
            words.add(word)
        test = predicates.CitedByFinding(find("id"), words.__contains__)
        return predicates.Not(test) if operator == "!=" else test

    def _for_each_field(
        self, name: Token, make_predicate: Callable[[Field], predicates.Predicate], lists: str = ""
    ) -> predicates.Predicate:
        """Make a predicate for the field, or the disjunction of those for each field that an alias stands for."""
        fields = [self._field(name, lists, alias) for alias in ALIASES.get(str(name), (str(name),))]
        tests = tuple(make_predicate(field) for field in fields)
        return tests[0] if len(tests) == 1 else predicates.Or(tests)

    def _item_list(self, items: Any) -> list[tuple[Token, Token | None]]:
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

    def _field(self, name: Token, lists: str = "", alias: str = "") -> Field:
        try:
            field = find(alias or str(name))
        except UsageError as error:
            raise self._error(_hint(str(name)) or str(error), name) from None
        if field.kind in ("list", "texts") and field.kind != lists:
            known = "; use contains or matches" if field.kind == "texts" else ""
            raise self._error(f"{field.name} is a list, which cannot be compared{known}", name)
        return field

    def _text(self, field: Field, name: Token) -> Field:
        """Return the field if it is text or a list of texts, which are matched joined by spaces; else raise."""
        if field.kind not in ("word", "text", "texts"):
            raise self._error(f"{field.name} is not text: compare it with == or in", name)
        return field

    def _other_field(self, field: Field, token: Token) -> Field | None:
        """Return the field named on the right-hand side, or None if the token is a literal."""
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
    """Return a suggestion for a name that is not a field, or an empty string."""
    if name == FINDING:
        return "finding needs a comparison, such as finding == syn-flood"
    packets = name if name in HINTS else name.partition(".")[0] if name.startswith(_PROTOCOLS) else ""
    if packets:
        return f"{name} is a field of packets; {HINTS[packets]}"
    for field in ("outcome", "cause", "close.how", "state.client"):
        if name in find(field).words:
            return f"no field {name}; did you mean {field} == {name}?"
    return f"no field {name}; did you mean finding == {name}?" if name in KINDS else ""
