"""What is wrong with settings, in words: where, what was found there, and what to write instead."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jobs.errors import Problem
from jobs.show import plain

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_MUST_BE = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "tuple_type": "a list in brackets",
    "byte_size": 'a size such as "4 GiB"',
    "byte_size_unit": 'a size such as "4 GiB"',
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
}

Base = Mapping[str, Any]


def explain(errors: Iterable[ErrorDetails], source: str, base: Base) -> Iterator[Problem]:
    """Return a problem for each error that pydantic found.

    Args:
        errors: of the model of all settings.
        source: the file that the settings came from.
        base: the shipped settings: their names and defaults.
    """
    for error in errors:
        section, *rest = map(str, error["loc"])
        key = rest[0] if rest else ""
        is_loose = not key and not isinstance(error["input"], Mapping) and section not in base
        place = section if is_loose else f"[{section}] {key}".strip()
        where = f"{source}, {plain(place)}"
        if error["type"] == "extra_forbidden":
            yield Problem(where, "unknown.", _nearest(section, key, base))
        elif not key:
            advice = f"It must be a section of its own: [{section}]."
            yield Problem(where, _found(error["input"]), advice)
        else:
            yield Problem(where, _found(error["input"]), _advice(error, section, key, base))


def nearest(name: str, names: Sequence[str]) -> str | None:
    """Return the name that was probably meant."""
    near = difflib.get_close_matches(name.lower(), names, n=1)
    return near[0] if near else None


def _nearest(section: str, key: str, base: Base) -> str:
    if not key:
        meant = nearest(section, list(base))
        owner = _owner(section, base)
        if owner:
            return f"Put it below [{owner}]."
        if meant:
            return f"Did you mean [{meant}]?"
        return f"Sections are {', '.join(base)}."
    meant, owner = nearest(key, list(base[section])), _owner(key, base)
    if owner and meant != key:
        return f"It belongs below [{owner}]."
    return f"Did you mean {meant}?" if meant else f"Names there: {', '.join(base[section])}."


def _owner(key: str, base: Base) -> str | None:
    """Return the section that has a key of this name, unless several have."""
    owners = [section for section, table in base.items() if key in table]
    return owners[0] if len(owners) == 1 else None


def _found(value: object) -> str:
    if isinstance(value, str | int | float):
        return f"found {plain(json.dumps(value, ensure_ascii=False), 80)}."
    return f"found {plain(value, 80)}."


def _advice(error: ErrorDetails, section: str, key: str, base: Base) -> str:
    default = base[section].get(key)
    has_default = default not in (None, "", [])
    end = f"; the default is {json.dumps(default)}." if has_default else "."
    if section == "accounts":
        return "Each must be twelve digits in quotes, in a list in brackets."
    if section == "spark":
        is_name = "[key]" in error["loc"]
        return 'A name must begin with "spark.".' if is_name else "It must be text in quotes."
    if error["type"] == "value_error":
        return f"{error['ctx']['error']}."
    pattern = _MUST_BE.get(error["type"], "")
    text = pattern.format(**error.get("ctx", {}))
    return f"It must be {text}{end}" if text else f"{error['msg']}{end}"
