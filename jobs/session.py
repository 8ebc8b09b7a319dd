"""The only place that makes a Spark session: settings, catalog, and where Spark comes from.

Three ways: a Spark of our own on one machine; the Spark that ``spark-submit``, EMR or Glue has
started; or a session that runs already, as in a notebook or a test. ``conf/spark-defaults.conf``
holds for all, ``conf/spark-local.conf`` only for a Spark of our own, and
``conf/spark-small.conf`` for one that has little to do.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from py4j.protocol import Py4JError
from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from jobs import class_archive, jars
from jobs.catalog import EXTENSIONS, WAREHOUSE, catalog_options, local_warehouse
from jobs.errors import CredtrailError
from jobs.gateway import (
    SparkStartError,
    add_to_class_path,
    failure,
    has_class,
    keep_names,
    start_jvm,
)

__all__ = ["LOG", "SessionError", "SparkStartError", "local_warehouse", "spark_session"]

LOG = "spark.credtrail.log"
"""Setting that names the file which the JVM of a session writes to, where we started it."""

_CONF = Path(__file__).parents[1] / "conf"
_LOG_BYTES = 5_000_000
_EXTENSIONS = "spark.sql.extensions"
_CLASS_PATH = "spark.driver.extraClassPath"
_JAVA_OPTIONS = "spark.driver.defaultJavaOptions"


class SessionError(CredtrailError):
    """A Spark that runs already cannot be used: what it lacks, and how to give it that."""


def spark_session(
    settings_spark: Mapping[str, str] | None,
    warehouse: str,
    app_name: str = "credtrail",
    *,
    small: bool = False,
) -> SparkSession:
    """Return a session whose catalog ``credtrail`` is the warehouse.

    Args:
        settings_spark: Spark settings of the user, which win over all others.
        warehouse: a folder, or an ``s3://`` prefix that goes with the Glue catalog.
        app_name: name of the application, as Spark's own tools show it.
        small: there is little to do, so that a Spark of our own need not prepare for more.
    """
    _prepare_python()
    session = _session(settings_spark, warehouse, app_name, small=small)
    keep_names(SparkContext._jvm)  # noqa: SLF001 - Java's own classes have no other way in
    return session


def _session(
    settings_spark: Mapping[str, str] | None, warehouse: str, app_name: str, *, small: bool
) -> SparkSession:
    """Return the session of whichever Spark there is."""
    ours = {"spark.app.name": app_name, **catalog_options(warehouse), **(settings_spark or {})}
    defaults = _shipped("spark-defaults.conf")
    options = {**defaults, **ours}
    if SparkContext._active_spark_context:  # noqa: SLF001 - nothing public tells without a start
        return _beside(SparkSession.builder.getOrCreate(), options)
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        return _on_platform(options)
    local = _shipped("spark-local.conf") | (_shipped("spark-small.conf") if small else {})
    return _own({**defaults, **local, **ours}, local_warehouse(warehouse))


def _prepare_python() -> None:
    """Give this process the one time zone there is, and see that PySpark prints nothing itself."""
    os.environ["TZ"] = "UTC"  # collected timestamps are in the local time of the process
    time.tzset()
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        logging.getLogger(name).disabled = True  # it prints as JSON what is raised as well


def _own(options: dict[str, str], folder: Path | None) -> SparkSession:
    """Start a Spark on this machine."""
    needed = jars.installed(aws=folder is None)
    class_path = [*map(str, needed), options.get(_CLASS_PATH, "")]
    log = _log_file(folder)
    before = log.stat().st_size
    options = {
        "spark.sql.warehouse.dir": str(folder or tempfile.gettempdir()),
        **options,
        _EXTENSIONS: _with_iceberg(options.get(_EXTENSIONS)),
        _CLASS_PATH: os.pathsep.join(filter(None, class_path)),
        LOG: str(log),
    }
    log4j = (_CONF / "log4j2.properties").as_uri()
    options[_JAVA_OPTIONS] += f" -Duser.timezone=UTC -Dlog4j2.configurationFile={log4j}"
    options[_JAVA_OPTIONS] += class_archive.java_options()
    conf = SparkConf(loadDefaults=False).setAll(list(options.items()))
    gateway = SparkContext._gateway or start_jvm(options, log)  # noqa: SLF001 - a JVM outlives its context
    try:
        SparkContext(gateway=gateway, conf=conf)
        return SparkSession.builder.getOrCreate()
    except (Py4JError, OSError) as error:
        raise SparkStartError(failure(log, before)) from error


def _on_platform(options: dict[str, str]) -> SparkSession:
    """Use the JVM that spark-submit has started, with the platform's own settings beneath ours."""
    SparkContext.setSystemProperty("spark.app.name", options["spark.app.name"])  # connects to it
    given = SparkConf()
    _require_iceberg(given.get("spark.master", None) or "local")
    extensions = _with_iceberg(options.get(_EXTENSIONS) or given.get(_EXTENSIONS, None))
    builder = SparkSession.builder
    for key, value in {**options, _EXTENSIONS: extensions}.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def _require_iceberg(master: str) -> None:
    """See that a JVM that runs already has Iceberg; on one machine, give it ours."""
    jvm = SparkContext._jvm  # noqa: SLF001 - Java's own classes have no other way in
    if has_class(jvm, "org.apache.iceberg.spark.SparkCatalog"):
        return
    paths = jars.installed()
    if not master.startswith("local"):
        message = (
            f"Iceberg is not on the class path of the Spark at {master}. Add it: on Glue "
            f"--datalake-formats iceberg, elsewhere --jars {','.join(map(str, paths))}"
        )
        raise SessionError(message)
    add_to_class_path(jvm, paths, driver="org.sqlite.JDBC")


def _beside(running: SparkSession, options: dict[str, str]) -> SparkSession:
    """Return the session that runs, or one beside it where that has another warehouse."""
    if EXTENSIONS not in (running.conf.get(_EXTENSIONS, None) or ""):
        message = (
            "The Spark session that runs lacks Iceberg's extensions. Start it with "
            f"{_EXTENSIONS}={EXTENSIONS}, or stop it first."
        )
        raise SessionError(message)
    same = running.conf.get(WAREHOUSE, None) == options[WAREHOUSE]
    session = running if same else running.newSession()
    for key, value in options.items():
        if session.conf.isModifiable(key) or key.startswith("spark.sql.catalog."):
            session.conf.set(key, value)
    return session


def _with_iceberg(extensions: str | None) -> str:
    named = [name for name in (extensions or "").split(",") if name and name != EXTENSIONS]
    return ",".join([*named, EXTENSIONS])


def _log_file(folder: Path | None) -> Path:
    """Return the file for what the JVM says: in the warehouse, or else a temporary one."""
    if folder:
        log = folder / "spark.log"
        with suppress(OSError):  # a warehouse that can only be read has its log elsewhere
            if log.exists() and log.stat().st_size > _LOG_BYTES:
                log.replace(folder / "spark.log.1")
            log.touch()
            return log
    with tempfile.NamedTemporaryFile(prefix="credtrail-", suffix=".log", delete=False) as file:
        return Path(file.name)


def _shipped(name: str) -> dict[str, str]:
    """Return the settings of a file of ``conf``: a name, white space, and a value on each line."""
    lines = (_CONF / name).read_text(encoding="utf-8").splitlines()
    pairs = [line.split(maxsplit=1) for line in lines if line.strip() and not line.startswith("#")]
    return {key: value.strip() for key, value in pairs}
