"""Tables as others open them, and their page."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyiceberg.catalog.sql import SqlCatalog

from jobs import docs
from jobs.errors import InputError
from jobs.tables import create_statement, within
from transforms import schemas
from transforms.rules import LADDER

ROOT = Path(__file__).parents[1]


def test_pages_are_fresh():
    """docs/tables.md and docs/rules.md are what the code says; make docs writes them."""
    assert docs.tables_page() == (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    assert docs.rules_page() == (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("table", schemas.TABLES, ids=lambda table: table.name)
def test_every_column_says_what_it_means(table):
    """Each column has a comment, in the schema and in the statement that makes the table."""
    statement = create_statement(table)

    for field in table.schema:
        assert field.metadata["comment"]
        assert f"{field.name} {field.dataType.simpleString()} COMMENT" in statement


def test_pyiceberg_opens_every_table(spark, tmp_path):
    """The catalog is a file that PyIceberg opens as it is: format 2, comments, no odd types."""
    from jobs.session import spark_session
    from jobs.tables import Warehouse
    from tests.runs import SMALL

    Warehouse(spark_session(SMALL, str(tmp_path))).create_missing()

    catalog = SqlCatalog("credtrail", uri=f"sqlite:///{tmp_path}/catalog.db")
    for table in schemas.TABLES:
        opened = catalog.load_table(("credtrail", table.name))
        assert opened.format_version == 2
        assert [f.name for f in opened.schema().fields] == table.columns
        assert all(f.doc for f in opened.schema().fields)
        assert opened.scan().to_arrow().num_rows == 0
    catalog.close()


def test_a_warehouse_of_another_version_is_told(spark, tmp_path):
    """Tables that lack a column are left as they are, and the reader hears what to do."""
    from jobs.session import spark_session
    from jobs.tables import Warehouse, full_name
    from tests.runs import SMALL

    warehouse = Warehouse(spark_session(SMALL, str(tmp_path)))
    warehouse.create_missing()
    warehouse.create_missing()
    warehouse.spark.sql(f"ALTER TABLE {full_name(schemas.HOMES)} DROP COLUMN until")

    with pytest.raises(InputError, match=r"homes lacks until: another version .* Name a new one"):
        warehouse.create_missing()


EARLY, NEXT_DAY, MUCH_LATER = "2026-03-02 01:02:03", "2026-03-03 04:00:00.5", "2026-05-02 00:00:00"
NEVER = "0001-01-01 00:00:00"


@pytest.mark.parametrize(
    ("old", "spans"),
    [
        ([EARLY, "2026-03-02 23:00:00", NEXT_DAY, None], [(EARLY, NEXT_DAY)]),
        ([MUCH_LATER, EARLY], [(EARLY, EARLY), (MUCH_LATER, MUCH_LATER)]),
        ([None], [(NEVER, NEVER)]),
    ],
    ids=["days in a row", "days apart", "inserts alone"],
)
def test_a_merge_looks_where_changes_may_match(spark, old, spans):
    """In the spans of days that rows to change lie in, and not in what is between."""
    times = spark.createDataFrame([(time,) for time in old], "text string")
    changed = times.selectExpr("cast(text as timestamp) as old_time")

    said = within(schemas.STAYS, changed)

    between = "t.first_seen BETWEEN TIMESTAMP '{}Z' AND TIMESTAMP '{}Z'"
    assert said == f"({' OR '.join(between.format(*span) for span in spans)})"


def test_every_rule_is_a_verdict_of_the_simulator():
    """Stories may expect whatever the ladder can say."""
    from simulator.verdicts import VERDICTS

    assert {rule.name for rule in LADDER} <= set(VERDICTS)
