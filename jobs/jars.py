"""Fetch the jars that a Spark of our own needs, once, when the environment is set up.

Spark resolves them itself (Ivy: a mirror set in its configuration is used), each is compared with
the checksum below, and they are kept beside the environment. From then on sessions name them by
path: nothing is downloaded when a job runs. On EMR and Glue the platform's own Iceberg is used.

``python -m jobs.jars`` fetches what is missing; with ``--aws`` also what a Spark of our own needs
for a warehouse in S3, which few have who try credtrail on a laptop.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from jobs.errors import CredtrailError
from jobs.gateway import SparkStartError, start_jvm, stop_jvm

COMMAND = f"{sys.executable} -m jobs.jars"


class JarsError(CredtrailError):
    """A jar is missing, cannot be fetched, or is not what it should be."""


@dataclass(frozen=True)
class Jar:
    """One jar: where Maven repositories have it, and what it must be."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def coordinate(self) -> str:
        """Name as Spark and Maven take it."""
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def file_name(self) -> str:
        """Name of the file, as Spark's resolution writes it."""
        return f"{self.group}_{self.artifact}-{self.version}.jar"


_SQLITE = Jar(
    "org.xerial",
    "sqlite-jdbc",
    "3.54.1.0",
    "f8dce420a6016278497f4f0560f65602b9db858de141b541cf91a4644ebe4639",
)
PINS = {
    "4.1": (
        Jar(
            "org.apache.iceberg",
            "iceberg-spark-runtime-4.1_2.13",
            "1.12.0",
            "3123c3798af642dd537230923548e013ef41cc28b6626e5225808cf5670a0f82",
        ),
        _SQLITE,
    ),
}
"""What each series of Spark needs, by exact version and content."""

_ICEBERG_AWS = Jar(
    "org.apache.iceberg",
    "iceberg-aws-bundle",
    "1.12.0",
    "dd7e49ffa4ac9b215bed846581991259e3aec9bb2fa08d6cec029c46cd66d957",
)
AWS_PINS = {"4.1": (_ICEBERG_AWS,)}
"""What it needs on top where the warehouse is in S3 and its catalog Glue."""


def pinned(*, aws: bool = False) -> tuple[Jar, ...]:
    """Return the jars for the Spark that is installed, with those for AWS if they are wanted."""
    spark = version("pyspark")
    series = ".".join(spark.split(".")[:2])
    if series not in PINS:
        known = ", ".join(PINS)
        message = (
            f"PySpark {spark} is installed, but jars are pinned for {known}: install one of these."
        )
        raise JarsError(message)
    return PINS[series] + (AWS_PINS[series] if aws else ())


def folder() -> Path:
    """Return the folder beside the environment that holds the jars."""
    return Path(sys.prefix, "share", "credtrail", "jars")


def installed(*, aws: bool = False) -> list[Path]:
    """Return the paths of all jars; a missing one is an error that says how to fetch it."""
    paths = [folder() / jar.file_name for jar in pinned(aws=aws)]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        command = f"{COMMAND} --aws" if aws else COMMAND
        message = f"{', '.join(missing)}: not in {folder()}. Fetch what is missing once: {command}"
        raise JarsError(message)
    return paths


def fetch(*, aws: bool = False) -> list[Path]:
    """Fetch the jars that are missing or not what they should be; return those fetched."""
    missing = [jar for jar in pinned(aws=aws) if not _is_right(folder() / jar.file_name, jar)]
    if not missing:
        return []
    try:
        folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder(), prefix="fetching-") as scratch:
            _resolve(missing, Path(scratch))
            return [_keep(Path(scratch, "jars", jar.file_name), jar) for jar in missing]
    except OSError as error:
        message = f"The jars cannot be kept in {folder()}: {error}"
        raise JarsError(message) from error


def _resolve(jars: list[Jar], scratch: Path) -> None:
    """Let Spark resolve the jars, as it does at the start of a JVM, into ``scratch``/jars."""
    options = {
        "spark.jars.packages": ",".join(jar.coordinate for jar in jars),
        "spark.jars.excludes": "org.slf4j:slf4j-api",
        "spark.jars.ivy": str(scratch),
        "spark.driver.memory": "512m",
    }
    try:
        gateway = start_jvm(options, folder().parent / "jars.log")
    except SparkStartError as error:
        message = f"The jars could not be fetched: is there a network? {error}"
        raise JarsError(message) from error
    stop_jvm(gateway)


def _keep(found: Path, jar: Jar) -> Path:
    if not _is_right(found, jar):
        what = f"has the SHA-256 {_sha256(found)}" if found.is_file() else "was not delivered"
        message = (
            f"{jar.coordinate} {what}; it must be {jar.sha256}. It is not used. "
            "Ask whoever runs the repository or mirror it came from."
        )
        raise JarsError(message)
    return Path(shutil.move(found, folder() / jar.file_name))


def _is_right(path: Path, jar: Jar) -> bool:
    return path.is_file() and _sha256(path) == jar.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(argv: Sequence[str] | None = None) -> int:
    """Fetch what is missing and say so."""
    parser = argparse.ArgumentParser(prog="python -m jobs.jars", description="Fetch jars, once.")
    parser.add_argument("--aws", action="store_true", help="also those for a warehouse in S3")
    args = parser.parse_args(argv)
    try:
        fetched = fetch(aws=args.aws)
    except CredtrailError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for path in fetched:
        sys.stdout.write(f"fetched {path}\n")
    if not fetched:
        sys.stdout.write(f"all jars are in {folder()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
