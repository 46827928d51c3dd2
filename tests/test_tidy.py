"""The house rules that a machine can check, as tests. Exceptions carry their reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70

# Longer than the rule, and why. A limit here only ever goes down.
FILE_EXCEPTIONS: dict[str, tuple[int, str]] = {}
FUNCTION_EXCEPTIONS: dict[str, tuple[int, str]] = {}

# Dotted calls nobody makes, what to do instead, and who may (a path prefix with the reason).
_CLOCKS = {
    "engine/clock.py": "it is the clock",
    "bench/": "benchmarks stamp their reports",
    "examples/": "a demonstration's sensors stamp their readings",
    "tests/sql/decode/test_decode_text.py": "checks that 'now' means now",
}
BANNED_CALLS: dict[str, tuple[str, dict[str, str]]] = {
    **dict.fromkeys(
        (
            *("time.time", "time.time_ns", "datetime.now", "datetime.utcnow"),
            *("datetime.datetime.now", "datetime.datetime.utcnow"),
            *("date.today", "datetime.date.today"),
        ),
        ("take a Clock (engine/clock.py)", _CLOCKS),
    ),
    "time.sleep": (
        "wait for the event itself",
        {
            "engine/": "background threads pace themselves",
            "bench/": "load generators pace themselves",
            "examples/": "a demonstration's sensors pace themselves",
        },
    ),
    "print": (
        "return it, log it, or write to sys.stdout in a command",
        {
            "bench/": "reports go to the terminal",
            "examples/": "examples talk to their reader",
            "sqllogictest/": "the runner reports to the terminal",
            "tests/": "captured by pytest, shown on failure",
        },
    ),
    "eval": ("parse it", {}),
    "exec": ("write the code", {}),
    "os.system": ("subprocess.run with a list", {}),
}

Code = list[tuple[str, str, ast.Module]]

# Split so that this file does not hold the words it forbids.
LEFTOVERS = ("TO" + "DO", "FIX" + "ME", "XX" + "X:", "raise NotImplemented" + "Error")
WORKPLACE = ("/wo" + "rk/", "/tmp" + "/v/", "/tmp" + "/bash_jobs")
TEXT_SUFFIXES = {".py", ".md", ".toml", ".slt", ".sql", ".yml", ".yaml", ".sh", ".html", ".txt"}
CODE_FOLDERS = ("server", "sql", "catalog", "engine", "tests", "sqllogictest", "bench", "examples")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def code_files() -> list[Path]:
    found = [path for folder in CODE_FOLDERS for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if "__pycache__" not in path.parts)


def text_files() -> list[Path]:
    """Every text file of the repository, without hidden folders, data and the environment."""
    skipped = {"__pycache__", "node_modules", "dist", "gnomon-data", "data"}
    found = []
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        if any(part.startswith(".") or part in skipped for part in parts[:-1]):
            continue
        if path.is_file() and (path.suffix in TEXT_SUFFIXES or path.name == "Makefile"):
            found.append(path)
    return sorted(found)


def limit(exceptions: dict[str, tuple[int, str]], name: str, usual: int) -> int:
    return exceptions.get(name, (usual, ""))[0]


def listed(wrong: list[Any]) -> str:
    """All of it: pytest shortens lists."""
    return "\n" + "\n".join(map(str, wrong))


def functions(tree: ast.AST, prefix: str) -> Iterator[tuple[str, int]]:
    """Every function's qualified name and its length in lines (without decorators)."""
    for node in ast.iter_child_nodes(tree):
        name = f"{prefix}{getattr(node, 'name', '')}"
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno is not None
            yield name, node.end_lineno - node.lineno + 1
        inner = f"{name}." if hasattr(node, "name") else prefix
        yield from functions(node, inner)


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a name or attribute chain, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


def banned_calls(name: str, tree: ast.Module) -> list[str]:
    wrong = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        call = dotted(node.func)
        if call not in BANNED_CALLS:
            continue
        instead, allowed = BANNED_CALLS[call]
        if not any(name.startswith(prefix) for prefix in allowed):
            wrong.append(f"{name}:{node.lineno}: {call}: {instead}")
    return wrong


def swallowed(name: str, tree: ast.Module) -> list[str]:
    """Bare excepts, and broad ones whose body does nothing."""
    wrong = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        if node.type is None:
            wrong.append(f"{name}:{node.lineno}: bare except")
        elif dotted(node.type) in {"Exception", "BaseException"} and isinstance(
            node.body[0], ast.Pass
        ):
            wrong.append(f"{name}:{node.lineno}: every error is swallowed")
    return wrong


@pytest.fixture(scope="module")
def code() -> list[tuple[str, str, ast.Module]]:
    """Name, text and tree of every file of ours."""
    found = []
    for path in code_files():
        source = path.read_text(encoding="utf-8")
        found.append((relative(path), source, ast.parse(source)))
    return found


def test_files_are_short_enough_to_read(code: Code) -> None:
    too_long = [
        (name, source.count("\n"))
        for name, source, _ in code
        if source.count("\n") > limit(FILE_EXCEPTIONS, name, FILE_LINES_MAX)
    ]
    assert not too_long, listed(too_long)


def test_functions_are_short_enough_to_read(code: Code) -> None:
    too_long = [
        (function, lines)
        for name, _, tree in code
        for function, lines in functions(tree, f"{name}:")
        if lines > limit(FUNCTION_EXCEPTIONS, function, FUNCTION_LINES_MAX)
    ]
    assert not too_long, listed(too_long)


def test_nobody_makes_a_banned_call(code: Code) -> None:
    wrong = [one for name, _, tree in code for one in banned_calls(name, tree)]
    assert not wrong, listed(wrong)


def test_no_error_is_swallowed(code: Code) -> None:
    wrong = [one for name, _, tree in code for one in swallowed(name, tree)]
    assert not wrong, listed(wrong)


def test_modules_say_what_they_are_for(code: Code) -> None:
    silent = [name for name, _, tree in code if not ast.get_docstring(tree)]
    assert not silent, listed(silent)


def test_tests_are_no_package() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py")), "it would shadow the product's packages"


@pytest.mark.parametrize("words", [LEFTOVERS, WORKPLACE], ids=["leftovers", "workplace"])
def test_no_file_holds_a_word_that_must_not_stay(words: tuple[str, ...]) -> None:
    found = [
        f"{relative(path)}: {word}"
        for path in text_files()
        for word in words
        if word in path.read_text(encoding="utf-8", errors="replace")
    ]
    assert not found, listed(found)


def test_exceptions_are_still_needed() -> None:
    """The ratchet: whoever shortens a file or function also takes its exception away."""
    for name, (lines, reason) in FILE_EXCEPTIONS.items():
        assert reason
        assert FILE_LINES_MAX < (ROOT / name).read_text(encoding="utf-8").count("\n") <= lines
    for name, (lines, reason) in FUNCTION_EXCEPTIONS.items():
        path = name.split(":", maxsplit=1)[0]
        lengths = dict(functions(ast.parse((ROOT / path).read_text(encoding="utf-8")), f"{path}:"))
        assert reason
        assert FUNCTION_LINES_MAX < lengths[name] <= lines


def test_the_rules_catch_what_they_forbid() -> None:
    long = "def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX
    assert (
        dict(functions(ast.parse(f"class A:\n    {long.replace(chr(10), chr(10) + '    ')}"), ""))[
            "A.f"
        ]
        > FUNCTION_LINES_MAX
    )
    parse = ast.parse
    assert banned_calls("sql/x.py", parse("import time\ntime.time()"))
    assert banned_calls("server/x.py", parse("print(1)"))
    assert not banned_calls("engine/clock.py", parse("import time\ntime.time()"))
    assert swallowed("x.py", parse("try:\n    f()\nexcept:\n    raise"))
    assert swallowed("x.py", parse("try:\n    f()\nexcept Exception:\n    pass"))
    assert not swallowed("x.py", parse("try:\n    f()\nexcept OSError:\n    pass  # gone already"))
