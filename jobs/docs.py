"""Pages that are generated from the code: ``docs/tables.md`` and ``docs/rules.md``.

``python -m jobs.docs`` writes them; a test fails when one is stale.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from transforms import schemas

if TYPE_CHECKING:
    from transforms.rules import Rule

DOCS = Path(__file__).resolve().parent.parent / "docs"

_TABLES_HEAD = """\
# Tables

Generated from `transforms/schemas.py` by `make docs`. Catalog and namespace are `credtrail`;
all tables are Iceberg, format version 2, copy-on-write. Times are UTC (`timestamptz`).
"""

_RULES_HEAD = """\
# The ladder of verdicts

Generated from `transforms/rules.py` by `make docs`. A (session, source) pair that is not home
climbs the ladder from the top; the first rule that holds is its verdict. A home climbs it only for
what `console_session`, `not_running`, `foreign_endpoint`, `outside_home` and `weak_signal` tell of
it. Rules that excuse keep their reason in the table `mismatches`; all others make a finding.

Of each rule stands here when it holds, the reason it gives (words in braces are filled in), then:

- **Next**: what to do with such a finding; *contain* means section 3 of the
  [runbook](runbook.md). Of a rule that excuses: what to look at if you doubt it, or how to make it
  narrower.
- **Ways around**: how a thief who knows the rule gets past it, or abuses what excuses, and what
  stops him. What no rule can see stands in [known-gaps.md](known-gaps.md).

*He* is the thief; *N* is `method.neighbours`, counted in other instances; a *stay* is what a
session does at one source without a silence longer than `method.ttl_hours`. Other workloads that
are judged climb the same ladder: where a rule says instance, read task, pod or function.
"""

_SIGNALS_HEAD = """
## Signals

What else speaks for a theft, measured against the homes of all sessions of the same role. Groups
count once each. A group against a new AWS address makes it `high`; two keep it from being taken for
a restart or a further home. `role_chaining`, `console_pivot` and `tampering` raise a finding by one
step, unless the source is home. There signals are told by `weak_signal` alone.

| signal | group | what to think of it |
| --- | --- | --- |
"""


def tables_page() -> str:
    """Text of ``docs/tables.md``."""
    return _TABLES_HEAD + "".join(_table(table) for table in schemas.TABLES)


def rules_page() -> str:
    """Text of ``docs/rules.md``."""
    from transforms.rules import LADDER

    rules = "".join(_rule(i, rule) for i, rule in enumerate(LADDER, start=1))
    return _RULES_HEAD + rules + _signals()


def _signals() -> str:
    """Signals by group, and what to think of each; those of no group speak of time alone."""
    from transforms.signal_names import GROUPS, MEANING

    grouped = {name: group for group, names in GROUPS.items() for name in names}
    rows = [f"| `{n}` | {grouped.get(n, 'time')} | {said} |" for n, said in MEANING.items()]
    return _SIGNALS_HEAD + "\n".join(rows) + "\n"


def _table(table: schemas.Table) -> str:
    lines = [f"\n## {table.name}\n", f"One row is {table.row}.\n"]
    if table.key:
        lines.append(f"Key: {', '.join(f'`{k}`' for k in table.key)}.")
    if table.partitioned_by:
        lines.append(f"Partitioned by {', '.join(f'`{p}`' for p in table.partitioned_by)}.")
    if table.sorted_by:
        lines.append(f"Sorted by {', '.join(f'`{s}`' for s in table.sorted_by)}.")
    lines += ["", "| column | type | meaning |", "| --- | --- | --- |"]
    lines += [
        f"| `{field.name}` | {field.dataType.simpleString()} | {field.metadata['comment']} |"
        for field in table.schema
    ]
    return "\n".join(lines) + "\n"


def _rule(number: int, rule: Rule) -> str:
    effect = "Excused." if rule.excuses else f"Finding. Severity: {rule.levels}."
    parts = (
        f"## {number}. {rule.name}",
        effect,
        inspect.cleandoc(rule.manual),
        f"> {rule.reason}",
        f"**Next:** {rule.next_step}",
        f"**Ways around:** {rule.ways_around}",
    )
    return "\n" + "\n\n".join(parts) + "\n"


def main() -> int:
    """Write both pages."""
    DOCS.mkdir(exist_ok=True)
    (DOCS / "tables.md").write_text(tables_page(), encoding="utf-8")
    (DOCS / "rules.md").write_text(rules_page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
