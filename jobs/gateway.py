"""The JVM that Spark runs in: started so that nothing it says reaches the terminal.

What Spark, its launcher and Java itself print goes to a log file; the end of it is shown only
where the start fails. Python's own output is left alone: an error in Python shows as ever.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.errors import CredtrailError
from jobs.java import find_java

if TYPE_CHECKING:
    from py4j.java_gateway import JavaGateway

_LINES_SHOWN = 15
_ASKED_OFTEN = {
    "functions": ("functions", "org.apache.spark.sql.functions"),
    "PythonUtils": ("PythonUtils",),
    "PythonSQLUtils": ("PythonSQLUtils",),
}
"""Classes of Spark that PySpark asks for at each use, and the names by which it does."""


class SparkStartError(CredtrailError):
    """Spark did not start: the end of its log, and where the whole of it is."""


def start_jvm(options: Mapping[str, str], log: Path) -> JavaGateway:
    """Start a JVM with Spark's options and connect to it; its output is added to a file."""
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


def stop_jvm(gateway: JavaGateway) -> None:
    """End a JVM and wait until it is gone."""
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()


def failure(log: Path, before: int = 0) -> str:
    """Say that Spark did not start, with the last lines of its log."""
    text = log.read_bytes()[before:].decode(errors="replace")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("\tat ")]
    end = "\n".join(f"  {line[:300]}" for line in lines[-_LINES_SHOWN:]) or "  (nothing was said)"
    return f"Spark did not start. It said:\n{end}\nThe whole of it is in {log}."


def has_class(jvm: Any, name: str) -> bool:  # noqa: ANN401 - py4j has no types
    """Tell whether a JVM has a class on its class path."""
    return _loader(jvm).getResource(f"{name.replace('.', '/')}.class") is not None


def add_to_class_path(jvm: Any, jars: Iterable[Path], driver: str) -> None:  # noqa: ANN401
    """Add jars to a JVM that runs already, and make a database driver known that is in them."""
    loader = _loader(jvm)
    for jar in jars:
        loader.addURL(jvm.java.io.File(str(jar)).toURI().toURL())
    jvm.java.lang.Class.forName(driver, True, loader)  # noqa: FBT003 - Java takes no names


def keep_names(jvm: Any) -> None:  # noqa: ANN401 - py4j has no types
    """Keep what Spark's functions are called in Java, where py4j would ask for each at each use.

    To tell a class from a package Java searches the class path for it, each time: of all that is
    said between Python and Java to plan a run, half is names (measured).
    """
    for name, names in _ASKED_OFTEN.items():
        if name in vars(jvm):
            continue
        asked = getattr(jvm, name)
        for member in dir(asked):
            setattr(asked, member, getattr(asked, member))
        for called in names:
            setattr(jvm, called, asked)


def _loader(jvm: Any) -> Any:  # noqa: ANN401
    return jvm.java.lang.Thread.currentThread().getContextClassLoader()


def _use_own_spark() -> None:
    """Take the Spark inside the pyspark package, whatever SPARK_HOME says of another one."""
    import pyspark

    home = Path(pyspark.__file__).parent
    if (home / "jars").is_dir():
        os.environ["SPARK_HOME"] = str(home)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
