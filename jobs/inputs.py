"""Input files: what is there, what is passed over and why, and what a window chooses.

A file's format is told by its name where that is usual, and otherwise by its first bytes. Other
files that live beside CloudTrail - digests, Insights, AWS Config, logs of other services - are
passed over and counted. A symbolic link is never followed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum, auto
from urllib.parse import unquote, urlsplit

from jobs.errors import InputError
from jobs.input_files import FileList, InputFile
from jobs.input_names import delivery_day, passed_over_by_name
from jobs.input_sniffing import JSON, PARQUET, format_of

FORMATS = (JSON, PARQUET)
UNOPENED = "cannot be opened"
AUTO = "auto"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Fate(Enum):
    """What became of a file since it was listed."""

    SAME = auto()
    CHANGED = auto()
    GONE = auto()


def became_of(file: InputFile) -> Fate:
    """Look at a file again: was what was read of it one state of it?"""
    try:
        stat = os.stat(file.path)
    except OSError:
        return Fate.GONE
    now = _entry(file.path, "", stat)
    is_same = (now.bytes, now.modified_at) == (file.bytes, file.modified_at)
    return Fate.SAME if is_same else Fate.CHANGED


@dataclass(frozen=True)
class Listing:
    """Files to read, in order of their paths, and how many were passed over, by reason."""

    files: FileList
    passed_over: Counter[str]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file as storage lists it; ``inner`` is its path within what was asked for."""

    path: str
    inner: str
    bytes: int
    modified_at: datetime
    why_not: str = ""


def list_input(uri: str, input_format: str = AUTO) -> Listing:
    """List what can be read at a folder or file.

    Args:
        uri: path or ``file://`` URI of a folder or a file.
        input_format: one of ``FORMATS``, or ``auto`` for any of them.

    Raises:
        InputError: there is nothing to read.
    """
    if input_format not in (AUTO, *FORMATS):
        msg = f"--input-format {input_format}: unknown. Known: {', '.join((AUTO, *FORMATS))}."
        raise InputError(msg)
    passed_over: Counter[str] = Counter()
    files = FileList.of(_usable(uri, input_format, passed_over))
    if not files:
        raise InputError(_nothing_at(uri, input_format, passed_over))
    return Listing(files, passed_over)


def choose(
    listing: Listing, from_day: date | None, to_day: date | None, late_days: int
) -> FileList:
    """Files delivered from a day on, and up to some days after another: delivery may be late."""
    last = to_day + timedelta(days=late_days) if to_day else date.max
    return listing.files.delivered(from_day or date.min, last)


def _usable(uri: str, input_format: str, passed_over: Counter[str]) -> Iterator[InputFile]:
    """Files to read; those that are passed over are counted."""
    for entry in _entries(uri):
        file, why_not = _judged(entry, input_format)
        if file:
            yield file
        else:
            passed_over[why_not] += 1


def _judged(entry: _Entry, input_format: str) -> tuple[InputFile | None, str]:
    """The file to read, or why it is passed over."""
    why_not = entry.why_not or passed_over_by_name(entry.path, entry.inner)
    if why_not:
        return None, why_not
    try:
        found = format_of(entry.path)
        if not os.access(entry.path, os.R_OK):
            return None, UNOPENED
    except OSError:
        return None, UNOPENED
    if not found:
        return None, "not CloudTrail"
    if input_format not in (AUTO, found):
        return None, f"not {input_format}"
    day = delivery_day(entry.path) or entry.modified_at.date()
    return InputFile(entry.path, entry.bytes, entry.modified_at, day, found), ""


def _entries(uri: str) -> Iterator[_Entry]:
    """All files at a URI: each kind of storage has its own walk."""
    scheme = urlsplit(uri).scheme if "://" in uri else ""
    if scheme in ("", "file"):
        path = unquote(urlsplit(uri).path) if scheme else uri
        return _local_entries(uri, os.path.abspath(path))
    msg = (
        f"--input {uri}: {scheme}:// cannot be read yet. Copy the files to a folder "
        "(aws s3 sync) and name that."
    )
    raise InputError(msg)


def _local_entries(uri: str, path: str) -> Iterator[_Entry]:
    if os.path.isfile(path):
        yield _entry(path, "", os.stat(path))
    elif os.path.isdir(path):
        yield from _walk(path, "")
    else:
        msg = f"--input {uri}: there is no folder or file {path}. Check the path."
        raise InputError(msg)


def _walk(folder: str, inner: str) -> Iterator[_Entry]:
    """Files below a folder, in order of their names."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        msg = f"--input: folder {folder} cannot be listed: {error.strerror}. Allow reading it."
        raise InputError(msg) from error
    for entry in entries:
        name = f"{inner}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, name)
        elif entry.is_file(follow_symlinks=False):
            yield _entry(entry.path, name, entry.stat(follow_symlinks=False))
        else:
            why_not = "symbolic link" if entry.is_symlink() else "not a file"
            yield _Entry(entry.path, name, 0, _EPOCH, why_not)


def _entry(path: str, inner: str, stat: os.stat_result) -> _Entry:
    modified_at = _EPOCH + timedelta(microseconds=stat.st_mtime_ns // 1000)
    return _Entry(path, inner, stat.st_size, modified_at)


def _nothing_at(uri: str, input_format: str, passed_over: Counter[str]) -> str:
    sought = "CloudTrail as JSON (.json, .json.gz, .jsonl …) or Parquet"
    if input_format != AUTO:
        sought = f"files of format {input_format}"
    found = ", ".join(f"{number} {why}" for why, number in sorted(passed_over.items()))
    return f"--input {uri}: nothing to read. Found: {found or 'no files'}. Looked for: {sought}."
