"""What a file holds: by its name where that is usual, else by its first bytes."""

from __future__ import annotations

import zlib

JSON, PARQUET = "cloudtrail-json", "cloudtrail-parquet"

_BY_ENDING = {
    ".json": JSON,
    ".json.gz": JSON,
    ".jsonl": JSON,
    ".jsonl.gz": JSON,
    ".ndjson": JSON,
    ".ndjson.gz": JSON,
    ".parquet": PARQUET,
    ".parq": PARQUET,
}
_NEVER = (".md", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".csv", ".tsv", ".html", ".xml", ".py")
_ENOUGH = 4096
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
_BLANK = b"\xef\xbb\xbf \t\r\n"


def format_of(path: str) -> str | None:
    """Format of a file, or none of ours.

    Raises:
        OSError: its first bytes are needed and cannot be read.
    """
    name = path.lower()
    for ending, known in _BY_ENDING.items():
        if name.endswith(ending):
            return known
    return None if name.endswith(_NEVER) else _format_of_bytes(_first_bytes(path))


def _first_bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        start = file.read(_ENOUGH)
    if not start.startswith(_GZIP):
        return start
    try:
        return zlib.decompressobj(wbits=31).decompress(start, _ENOUGH)
    except zlib.error:
        return b""


def _format_of_bytes(start: bytes) -> str | None:
    if start.startswith(_PARQUET):
        return PARQUET
    return JSON if start.lstrip(_BLANK).startswith((b"{", b"[")) else None
