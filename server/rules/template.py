"""The templates of alerts' labels and annotations: Go's text/template, as far as rules use it.

Actions, variables, pipelines, if, range and with, comparisons, and the functions Prometheus adds
(template_functions.py). `define`, `template` and `block` are refused: rule files have one text.
https://prometheus.io/docs/prometheus/latest/configuration/template_reference/
https://pkg.go.dev/text/template
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from server.rules.template_functions import FUNCTIONS, Sample, Surroundings, TemplateError, shown

__all__ = ["Sample", "Surroundings", "Template", "TemplateError"]

_OUTPUT_MAX = 1 << 20
_ACTION = re.compile(r"\{\{(-\s)?(.*?)(\s-)?\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<text>"(?:\\.|[^"\\])*")
  | (?P<raw>`[^`]*`)
  | (?P<number>[-+]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?))
  | (?P<variable>\$\w*)
  | (?P<field>\.\w+)
  | (?P<dot>\.)
  | (?P<word>[A-Za-z_]\w*)
  | (?P<sign>:=|=|\||\(|\)|,)
    )""",
    re.VERBOSE,
)
Token = tuple[str, str]


@dataclass(frozen=True)
class _Words:
    """A pipeline: commands, each a list of operands; what one gives is the next one's last."""

    commands: tuple[tuple[_Operand, ...], ...]


@dataclass(frozen=True)
class _Operand:
    """A literal, a variable, a function's name, a pipeline in brackets; with fields after it."""

    kind: str  # constant, variable, dot, function, pipe
    value: Any
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Node:
    """A piece of the template.

    `kind`: text, print, set (a variable), if, with, range.
    """

    kind: str
    text: str = ""
    words: _Words | None = None
    names: tuple[str, ...] = ()
    body: tuple[_Node, ...] = ()
    other: tuple[_Node, ...] = ()


class Template:
    """A parsed template. Raises: TemplateError when made of text that is none."""

    def __init__(self, text: str) -> None:
        self._nodes = _Parser(_pieces(text)).whole()

    def expand(self, surroundings: Surroundings) -> str:
        """The text in some surroundings. Raises: TemplateError, and DbError of queries in it."""
        dot = {
            "Labels": surroundings.labels,
            "ExternalLabels": surroundings.external_labels,
            "ExternalURL": surroundings.external_url,
            "Value": surroundings.value,
        }
        names = {
            "$": dot,
            "$labels": surroundings.labels,
            "$externalLabels": surroundings.external_labels,
            "$externalURL": surroundings.external_url,
            "$value": surroundings.value,
        }
        run = _Run(surroundings)
        run.nodes(self._nodes, dot, [names])
        return "".join(run.out)


# --- Parsing --------------------------------------------------------------------------------------


def _pieces(text: str) -> Iterator[tuple[bool, str]]:
    """Literal text and actions (True), spaces trimmed where a hyphen asks for it."""
    at, trim = 0, False
    for match in _ACTION.finditer(text):
        literal = text[at : match.start()]
        if trim:
            literal = literal.lstrip()
        if match[1]:
            literal = literal.rstrip()
        yield False, literal
        if not (match[2].strip().startswith("/*") and match[2].strip().endswith("*/")):
            yield True, match[2]
        at, trim = match.end(), bool(match[3])
    rest = text[at:]
    if "{{" in rest:
        raise TemplateError("an action is not closed by }}")
    yield False, rest.lstrip() if trim else rest


def _tokens(text: str) -> list[Token]:
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise TemplateError(f"unexpected {text[at:].strip()[:20]!r}")
        kind = str(match.lastgroup)
        glued = kind == "field" and match.start(kind) == at and at > 0
        found.append(("chained" if glued else kind, match[kind]))
        at = match.end()
    return found


class _Parser:
    """Nodes of pieces, by recursive descent; the last token list is that of the current action."""

    def __init__(self, pieces: Iterator[tuple[bool, str]]) -> None:
        self._pieces = pieces

    def whole(self) -> tuple[_Node, ...]:
        nodes, ended_by = self._until_end()
        if ended_by:
            raise TemplateError(f"unexpected {{{{{ended_by[0][1]}}}}}")
        return nodes

    def _until_end(self) -> tuple[tuple[_Node, ...], list[Token]]:
        """Nodes up to `end`, `else` or the end; and the action that ended them."""
        nodes = []
        for is_action, text in self._pieces:
            if not is_action:
                if text:
                    nodes.append(_Node("text", text))
                continue
            tokens = _tokens(text)
            word = tokens[0][1] if tokens and tokens[0][0] == "word" else ""
            if word in ("end", "else"):
                return tuple(nodes), tokens
            if word in ("define", "template", "block", "break", "continue"):
                raise TemplateError(f"{word} is not supported")
            nodes.append(self._block(word, tokens) if word in _BLOCKS else _simple(tokens))
        return tuple(nodes), []

    def _block(self, word: str, tokens: list[Token]) -> _Node:
        names, words = _assignment(tokens[1:])
        body, ended_by = self._until_end()
        other: tuple[_Node, ...] = ()
        if len(ended_by) > 1:  # else if …
            if ended_by[1][1] not in _BLOCKS:
                raise TemplateError(f"unexpected {ended_by[1][1]!r} after else")
            other = (self._block(ended_by[1][1], ended_by[1:]),)
        elif ended_by and ended_by[0][1] == "else":
            other, ended_by = self._until_end()
        if not ended_by:
            raise TemplateError(f"{word} has no end")
        return _Node(word, "", words, names, body, other)


_BLOCKS = ("if", "range", "with")


def _simple(tokens: list[Token]) -> _Node:
    names, words = _assignment(tokens)
    if len(names) > 1:
        raise TemplateError("two variables are for range only")
    return _Node("set" if names else "print", "", words, names)


def _assignment(tokens: list[Token]) -> tuple[tuple[str, ...], _Words]:
    """Variables before `:=` or `=`, if there are any, and the pipeline."""
    signs = [
        place for place, token in enumerate(tokens) if token in (("sign", ":="), ("sign", "="))
    ]
    if not signs:
        return (), _pipeline(tokens)
    before = [token for token in tokens[: signs[0]] if token != ("sign", ",")]
    if not before or any(kind != "variable" for kind, _ in before):
        raise TemplateError("only variables can be assigned to")
    return tuple(name for _, name in before), _pipeline(tokens[signs[0] + 1 :])


def _pipeline(tokens: list[Token]) -> _Words:
    if not tokens:
        raise TemplateError("a value is missing")
    commands: list[tuple[_Operand, ...]] = []
    rest = list(tokens)
    while rest:
        operands: list[_Operand] = []
        while rest and rest[0] != ("sign", "|"):
            operands.append(_operand(rest))
        if not operands:
            raise TemplateError("a command is missing in a pipeline")
        commands.append(tuple(operands))
        if rest:
            rest.pop(0)
            if not rest:
                raise TemplateError("a command is missing in a pipeline")
    return _Words(tuple(commands))


def _operand(rest: list[Token]) -> _Operand:
    """Takes one operand, with its fields, off the front."""
    kind, text = rest.pop(0)
    if kind in ("field", "chained"):
        found = _Operand("dot", None, (text[1:],))
    elif kind == "variable":
        found = _Operand("variable", text)
    elif kind == "dot":
        found = _Operand("dot", None)
    elif kind == "word":
        found = _word(text)
    elif (kind, text) == ("sign", "("):
        found = _Operand("pipe", _pipeline(_inside(rest)))
    elif kind == "sign":
        raise TemplateError(f"unexpected {text!r}")
    else:
        found = _Operand("constant", _constant(kind, text))
    names = list(found.fields)
    while rest and rest[0][0] == "chained":
        names.append(rest.pop(0)[1][1:])
    return _Operand(found.kind, found.value, tuple(names))


def _inside(rest: list[Token]) -> list[Token]:
    """The tokens up to the bracket that closes, which is taken off as well."""
    depth = 1
    for place, token in enumerate(rest):
        depth += (token == ("sign", "(")) - (token == ("sign", ")"))
        if depth == 0:
            found = rest[:place]
            del rest[: place + 1]
            return found
    raise TemplateError("a bracket is not closed")


def _word(text: str) -> _Operand:
    constants = {"true": True, "false": False, "nil": None}
    if text in constants:
        return _Operand("constant", constants[text])
    if text not in FUNCTIONS:
        raise TemplateError(f'function "{text}" not defined')
    return _Operand("function", text)


def _constant(kind: str, text: str) -> Any:
    if kind == "raw":
        return text[1:-1]
    try:
        found = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        raise TemplateError(f"{text} cannot be read") from None
    return found


# --- Running --------------------------------------------------------------------------------------

Scopes = list[dict[str, Any]]


@dataclass
class _Run:
    """One expansion."""

    surroundings: Surroundings
    out: list[str] = field(default_factory=list)
    size: int = 0

    def nodes(self, nodes: Sequence[_Node], dot: Any, scopes: Scopes) -> None:
        for node in nodes:
            if node.kind == "text":
                self._put(node.text)
            else:
                self._node(node, dot, scopes)

    def _put(self, text: str) -> None:
        self.size += len(text)
        if self.size > _OUTPUT_MAX:
            raise TemplateError(f"the text is longer than {_OUTPUT_MAX} characters")
        self.out.append(text)

    def _node(self, node: _Node, dot: Any, scopes: Scopes) -> None:
        assert node.words is not None
        value = self._value(node.words, dot, scopes)
        if node.kind == "print":
            self._put(shown(value))
        elif node.kind == "set":
            scopes[-1][node.names[0]] = value
        elif node.kind == "range":
            self._range(node, value, dot, scopes)
        else:
            inner = [*scopes, dict.fromkeys(node.names, value)]
            inside = value if node.kind == "with" else dot
            if truth(value):
                self.nodes(node.body, inside, inner)
            else:
                self.nodes(node.other, dot, inner)

    def _range(self, node: _Node, value: Any, dot: Any, scopes: Scopes) -> None:
        if not isinstance(value, Mapping | list | tuple | None):
            raise TemplateError(f"range can't iterate over {shown(value)}")
        pairs = list(value.items() if isinstance(value, Mapping) else enumerate(value or ()))
        for key, item in pairs:
            held = (item,) if len(node.names) == 1 else (key, item)
            names = dict(zip(node.names, held, strict=False))
            self.nodes(node.body, item, [*scopes, names])
        if not pairs:
            self.nodes(node.other, dot, scopes)

    def _value(self, words: _Words, dot: Any, scopes: Scopes) -> Any:
        held: list[Any] = []
        for operands in words.commands:
            first = operands[0]
            if first.kind == "function":
                given = [self._operand(one, dot, scopes) for one in operands[1:]]
                found = self._call(first.value, [*given, *held])
                held = [_fields(found, first.fields)]
            elif len(operands) > 1 or held:
                raise TemplateError("a value that is no function cannot take arguments")
            else:
                held = [self._operand(first, dot, scopes)]
        return held[0]

    def _operand(self, operand: _Operand, dot: Any, scopes: Scopes) -> Any:
        if operand.kind == "constant":
            found = operand.value
        elif operand.kind == "variable":
            found = _variable(operand.value, scopes)
        elif operand.kind == "pipe":
            found = self._value(operand.value, dot, scopes)
        elif operand.kind == "function":
            found = self._call(operand.value, [])
        else:
            found = dot
        return _fields(found, operand.fields)

    def _call(self, name: str, given: list[Any]) -> Any:
        try:
            return FUNCTIONS[name](self.surroundings, *given)
        except (TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
            raise TemplateError(f"{name}: {error}") from None


def _variable(name: str, scopes: Scopes) -> Any:
    for scope in reversed(scopes):
        if name in scope:
            return scope[name]
    raise TemplateError(f'undefined variable "{name}"')


def _fields(value: Any, names: Sequence[str]) -> Any:
    """A field of a mapping or of a sample; a label that is missing is empty."""
    for name in names:
        if isinstance(value, Mapping):
            value = value.get(name, "")
        elif name in ("Labels", "Value") and hasattr(value, name.lower()):
            value = getattr(value, name.lower())
        else:
            raise TemplateError(f"there is no field {name}")
    return value


def truth(value: Any) -> bool:
    """What `if` takes for true: everything but zero, the empty and nil."""
    return bool(value)
