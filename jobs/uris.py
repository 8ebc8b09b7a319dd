"""Paths as Spark takes them, and as it reports them; options that hold for every file read."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

LOCAL_OPTIONS = {
    "fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    "fs.file.impl.disable.cache": "true",
}
"""Local files as they are: Hadoop's usual way trips over colons and over stale checksums."""

READ_OPTIONS = {**LOCAL_OPTIONS, "ignoreCorruptFiles": "true", "ignoreMissingFiles": "true"}
"""One bad file must not fail a run: it gives no row, and so is found out."""

_KEPT = "/-_.!~*'()@:&=+$,;"
_GLOB = re.compile(r"([\[\]{}*?\\])")


def hadoop_path(path: str) -> str:
    """Path of a file as Hadoop takes it: a local one says so, whatever the default storage is."""
    return path if "://" in path else f"file:{path}"


def load_path(path: str) -> str:
    r"""Path of a file as ``load`` takes it, which would look for patterns in it.

    >>> load_path("/data/a[1].json")
    'file:/data/a\\[1\\].json'
    """
    return _GLOB.sub(r"\\\1", hadoop_path(path))


def file_uri(path: str) -> str:
    """URI of a file as Spark reports it: ``_metadata.file_path``.

    >>> file_uri("/data/day=1/ü b%20#1.json")
    'file:/data/day=1/ü%20b%2520%231.json'
    """
    scheme, mark, rest = hadoop_path(path).partition("://" if "://" in path else ":")
    return f"{scheme}{mark}" + "".join(map(_encoded, rest))


def _encoded(character: str) -> str:
    """A character as Java writes it in a URI: other alphabets stay, their spaces do not."""
    if character.isascii():
        return quote(character, safe=_KEPT)
    is_kept = unicodedata.category(character) not in ("Zs", "Zl", "Zp", "Cc")
    return character if is_kept else quote(character)
