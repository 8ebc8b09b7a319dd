"""The class archive: written by a run that works, used where it is, missed by nobody."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs import class_archive
from jobs.java import Java
from jobs.session import spark_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the prefix of an environment of its own."""
    monkeypatch.setattr(class_archive.sys, "prefix", str(tmp_path / "an environment"))
    return tmp_path / "an environment"


def test_java_is_told_of_it_only_where_it_is(environment: Path) -> None:
    """Without the file there is no option; with it, its path is quoted."""
    assert class_archive.java_options() == ""

    class_archive.path().parent.mkdir(parents=True)
    class_archive.path().touch()

    assert f'-XX:SharedArchiveFile="{environment}/share/' in class_archive.java_options()


def test_the_typical_run_works(spark: SparkSession, tmp_path: Path) -> None:
    """Each statement that the archive is written by runs on the Spark that is installed."""
    session = spark_session(None, str(tmp_path))

    for statement in class_archive._TYPICAL.split(";"):
        session.sql(statement).collect()

    assert session.table("credtrail.n.t").count() == 1


@pytest.mark.usefixtures("environment")
def test_a_java_that_does_not_take_it_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a Java 21 of the system no time is spent on an archive it would not use."""
    monkeypatch.setattr(class_archive, "find_java", lambda: Java(Path("/opt/java"), 21, "PATH"))

    assert class_archive.main() == 1
    assert "Java 21 does not take one" in capsys.readouterr().err
