"""Rules of the house: which folder may know which, and what may not stand below jobs/."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "transforms": {"transforms", "pyspark"},
    "simulator": {"simulator", "numpy", "pyarrow"},
    "jobs": {"jobs", "transforms", "simulator"},
}
"""Packages, beside the standard library, that the modules of a folder may import."""

OURS = set(MAY_IMPORT)
ACTIONS = {"collect", "cache", "persist", "toPandas", "toLocalIterator", "localCheckpoint", "show"}
IMPURE = {"rand", "randn", "uuid", "current_timestamp", "current_date", "now", "udf", "pandas_udf"}


def _modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("folder", ["transforms", "simulator"])
def test_imports_point_one_way(folder):
    """Transforms know no jobs, the simulator knows no Spark; neither knows the other."""
    forbidden = (OURS | {"pyspark"}) - MAY_IMPORT[folder]

    wrong = {
        str(path): found for path in _modules(folder) if (found := _imported(path) & forbidden)
    }

    assert wrong == {}
    assert len(_modules(folder)) > 10


def test_transforms_are_pure():
    """No action, no clock, no chance and no UDF in transforms: they only describe."""
    wrong = [
        f"{path.name}:{node.lineno} {node.func.attr}"
        for path in _modules("transforms")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ACTIONS | IMPURE
    ]

    assert wrong == []


def test_joins_say_how():
    """Every join of DataFrames states how; a join of texts has no ``on`` and one argument."""
    wrong = []
    for path in [*_modules("transforms"), *_modules("jobs")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "join":
                named = {keyword.arg for keyword in node.keywords}
                if "on" in named and "how" not in named:
                    wrong.append(f"{path.name}:{node.lineno}")

    assert wrong == []


def test_rows_of_this_process_go_by_arrow():
    """Only ``local_rows`` makes DataFrames of Python values; else Python workers start."""
    makers = [
        path.name
        for folder in ("jobs", "transforms")
        for path in _modules(folder)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "createDataFrame"
    ]

    assert makers == ["local_rows.py"]
