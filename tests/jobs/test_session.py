"""Sessions: the settings that hold, the catalog, and silence."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from py4j.java_gateway import JavaClass, JVMView
from pyiceberg.catalog.sql import SqlCatalog
from pyspark.sql import functions as F

from jobs import jars
from jobs.catalog import WarehouseError, catalog_options, local_warehouse
from jobs.errors import CredtrailError
from jobs.gateway import SparkStartError, start_jvm
from jobs.session import SessionError, spark_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("spark.sql.session.timeZone", "UTC"),
        ("spark.sql.ansi.enabled", "true"),
        ("spark.sql.caseSensitive", "false"),
        ("spark.sql.sources.partitionColumnTypeInference.enabled", "false"),
        ("spark.sql.icu.caseMappings.enabled", "false"),
        ("spark.ui.enabled", "false"),
        ("spark.driver.host", "127.0.0.1"),
        ("spark.sql.shuffle.partitions", "1"),  # the tests' own settings win over the files'
        ("spark.sql.adaptive.enabled", "false"),
    ],
)
def test_settings_hold(spark: SparkSession, key: str, value: str) -> None:
    """What verdicts depend on is set, whatever Spark's defaults are."""
    assert spark.conf.get(key) == value


def test_names_are_asked_once(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Java is not asked again what Spark's functions are: that was half of what is said to it."""

    def asked(_: object, name: str) -> None:
        raise AssertionError(name)

    F.col("a")  # PySpark itself asks once how errors are to be told
    monkeypatch.setattr(JVMView, "__getattr__", asked)
    monkeypatch.setattr(JavaClass, "__getattr__", asked)

    F.transform(F.array(F.lit(1), F.col("a")), lambda x: F.coalesce(x, F.upper("b")))


def test_times_arrive_in_utc(spark: SparkSession) -> None:
    """A collected timestamp is the UTC time that was written, wherever the process runs."""
    (row,) = spark.sql("SELECT timestamp'2026-07-01 12:00:00Z' AS t").collect()

    assert row.t == datetime(2026, 7, 1, 12, tzinfo=UTC).replace(tzinfo=None)


@pytest.mark.parametrize("name", ["plain", "with a space", "it's #1, 100%"])
def test_catalog_is_pyicebergs_too(spark: SparkSession, tmp_path: Path, name: str) -> None:
    """Spark and PyIceberg read what the other wrote, through the same catalog file."""
    folder = tmp_path / name
    session = spark_session(None, str(folder))
    session.sql("CREATE NAMESPACE credtrail.credtrail")
    session.sql("CREATE TABLE credtrail.credtrail.t (k INT) USING iceberg")
    session.sql("INSERT INTO credtrail.credtrail.t VALUES (1)")

    with SqlCatalog(
        "credtrail", uri=f"sqlite:///{folder}/catalog.db", warehouse=str(folder)
    ) as other:
        table = other.load_table("credtrail.t")
        assert table.scan().to_arrow().to_pylist() == [{"k": 1}]
        table.append(pa.table({"k": pa.array([2], pa.int32())}))

    rows = session.table("credtrail.credtrail.t").orderBy("k").collect()
    assert [row.k for row in rows] == [1, 2]
    assert other.list_tables("credtrail") == [("credtrail", "t")]


def test_each_warehouse_has_its_own_tables(spark: SparkSession, tmp_path: Path) -> None:
    """Sessions of two warehouses run beside each other; the same one is given out again."""
    one, two = (spark_session(None, str(tmp_path / name)) for name in ("one", "two"))
    one.sql("CREATE NAMESPACE credtrail.only_here")

    assert [row.namespace for row in one.sql("SHOW NAMESPACES IN credtrail").collect()]
    assert two.sql("SHOW NAMESPACES IN credtrail").collect() == []
    assert one.sparkContext is two.sparkContext is spark.sparkContext


def test_a_folder_is_made_and_s3_goes_with_glue(tmp_path: Path) -> None:
    """Where the warehouse is decides the catalog."""
    local = catalog_options(f"file://{tmp_path}/made%20here")
    glue = catalog_options("s3://bucket/prefix/")

    assert (tmp_path / "made here").is_dir()
    assert local["spark.sql.catalog.credtrail.warehouse"] == f"{tmp_path}/made here"
    assert glue["spark.sql.catalog.credtrail.warehouse"] == "s3://bucket/prefix"
    assert glue["spark.sql.catalog.credtrail.type"] == "glue"
    assert local_warehouse("s3://bucket/prefix") is None


@pytest.mark.parametrize("uri", ["", "gs://bucket/x", "s3a://bucket/x"])
def test_other_places_are_refused(uri: str) -> None:
    """Anything but a folder or S3 is a mistake of the user, told in words."""
    with pytest.raises(WarehouseError, match="neither a folder nor an s3:// prefix") as caught:
        local_warehouse(uri)

    assert caught.value.exit_code == 2


def test_a_warehouse_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file in the way is named."""
    (tmp_path / "file").touch()

    with pytest.raises(WarehouseError, match=r"file/wh cannot be made: Not a directory"):
        catalog_options(str(tmp_path / "file" / "wh"))


def test_a_session_without_iceberg_is_told(spark: SparkSession, tmp_path: Path) -> None:
    """A notebook's own Spark that lacks the extensions is refused, with the setting to give it."""
    from jobs.session import _beside

    class Conf:
        def get(self, _key: str, _default: object = None) -> None:
            return None

    class Running:
        conf = Conf()

    with pytest.raises(SessionError, match=r"spark\.sql\.extensions=org\.apache\.iceberg"):
        _beside(Running(), {})  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # PySpark's, of a dead JVM
def test_a_start_that_fails_shows_the_end_of_the_log(tmp_path: Path) -> None:
    """Java's own complaint is shown, and where the whole log is."""
    with pytest.raises(
        SparkStartError, match=r"(?s)Invalid .*heap.*log is in|The whole of it is in"
    ):
        start_jvm({"spark.driver.memory": "1k"}, tmp_path / "log")


def run(command: list[str], **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a program outside the checkout as a user does."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environ}
    return subprocess.run(
        command, capture_output=True, text=True, env=env, timeout=300, check=False
    )


SCRIPT = """\
import sys
from jobs.session import spark_session
spark = spark_session({"spark.master": "local[1]", "spark.driver.memory": "1g"}, sys.argv[1])
spark.sql("CREATE NAMESPACE credtrail.n")
spark.sql("CREATE TABLE credtrail.n.t (k INT) USING iceberg")
spark.sql("INSERT INTO credtrail.n.t VALUES (1)")
print("rows:", spark.table("credtrail.n.t").count())
print(spark.conf.get("spark.credtrail.log", ""))
try:
    spark.sql("SELECT 1/0").collect()
except Exception as error:
    print(type(error).__name__)
raise ValueError("of the script")
"""


def test_nothing_of_the_jvm_reaches_the_terminal(tmp_path: Path) -> None:
    """Only what Python says is seen: results, and an error with its stack trace."""
    (tmp_path / "script.py").write_text(SCRIPT)
    folder = tmp_path / "wh"

    done = run(
        [sys.executable, str(tmp_path / "script.py"), str(folder)],
        SPARK_HOME="/elsewhere",
        PYSPARK_PYTHON="python2",
        TZ="Asia/Tokyo",
    )

    assert done.stdout.splitlines() == ["rows: 1", f"{folder}/spark.log", "ArithmeticException"]
    assert done.stderr.startswith("Traceback (most recent call last):\n  File")
    assert done.stderr.endswith("ValueError: of the script\n")
    assert "WARN NativeCodeLoader" not in (folder / "spark.log").read_text()


def test_spark_submit_runs_the_same_code(spark: SparkSession, tmp_path: Path) -> None:
    """Under spark-submit its JVM is used, and gets our Iceberg where it has none."""
    (tmp_path / "script.py").write_text(SCRIPT)
    submit = Path(os.environ["SPARK_HOME"], "bin", "spark-submit")

    done = run(
        [
            str(submit),
            "--conf",
            "spark.master=local[2]",
            str(tmp_path / "script.py"),
            str(tmp_path / "wh"),
        ],
        PYSPARK_PYTHON=sys.executable,
    )

    assert done.stdout.splitlines()[:3] == ["rows: 1", "", "ArithmeticException"], done.stderr
    assert done.stdout.endswith("ValueError: of the script\n")  # spark-submit joins the two


def test_missing_jars_are_told_before_java_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session of our own without jars is a mistake told in words."""
    from jobs import session

    monkeypatch.setattr(jars.sys, "prefix", str(tmp_path))

    with pytest.raises(CredtrailError, match=r"-m jobs\.jars"):
        session._own({}, tmp_path)
