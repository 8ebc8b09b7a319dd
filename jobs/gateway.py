"""Start the JVM that Spark runs in, so that nothing it says reaches the terminal.

What Spark, its launcher and Java itself print goes to a log file; the end of it is shown only
where the start fails. Python's own output is left alone: an error in Python shows as ever.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.java import find_java

if TYPE_CHECKING:
    from py4j.java_gateway import JavaGateway

_LINES_SHOWN = 15


class SparkStartError(RuntimeError):
    """Spark did not start: the end of its log, where the whole of it is, and what to do."""


def start_jvm(options: Mapping[str, str], log: Path) -> JavaGateway:
    """Start a JVM with Spark's options and connect to it; its output goes to the end of a file."""
    from pyspark import SparkConf
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway

    conf = SparkConf(loadDefaults=False).setAll(list(options.items()))
    _use_own_spark()
    os.environ["JAVA_HOME"] = str(find_java().home)
    with log.open("ab") as output:
        before = output.tell()
        try:
            return launch_gateway(conf, {"stdout": output, "stderr": output})
        except PySparkRuntimeError as error:
            raise SparkStartError(failure(log, before)) from error


def failure(log: Path, before: int = 0) -> str:
    """Say that Spark did not start, with the last lines of its log."""
    text = log.read_bytes()[before:].decode(errors="replace")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("\tat ")]
    end = "\n".join(f"  {line[:300]}" for line in lines[-_LINES_SHOWN:]) or "  (nothing was said)"
    return f"Spark did not start. It said:\n{end}\nThe whole of it is in {log}."


def _use_own_spark() -> None:
    """Take the Spark inside the pyspark package, whatever SPARK_HOME the user has from elsewhere."""
    import pyspark

    home = Path(pyspark.__file__).parent
    if (home / "jars").is_dir():
        os.environ["SPARK_HOME"] = str(home)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
