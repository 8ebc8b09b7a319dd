"""Jars are fetched once, are what they should be, and their lack is told."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from jobs import jars
from jobs.gateway import SparkStartError
from jobs.jars import Jar, JarsError

GOOD = Jar("org.example", "one", "1.0", hashlib.sha256(b"good").hexdigest())
OTHER = Jar("org.example", "other", "2.0", hashlib.sha256(b"good").hexdigest())


class Repository:
    """A Spark that delivers the same content for every jar, and counts how often it is asked."""

    def __init__(self, content: bytes | None) -> None:
        self.content = content
        self.asked: list[str] = []

    def start(self, options: Mapping[str, str], log: Path) -> SimpleNamespace:
        """Deliver as Spark does, at the start of a JVM."""
        self.asked.append(options["spark.jars.packages"])
        if self.content is None:
            message = f"unresolved dependency; see {log}"
            raise SparkStartError(message)
        folder = Path(options["spark.jars.ivy"], "jars")
        folder.mkdir()
        for coordinate in options["spark.jars.packages"].split(","):
            group, artifact, version = coordinate.split(":")
            (folder / f"{group}_{artifact}-{version}.jar").write_bytes(self.content)
        return SimpleNamespace()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of an environment without jars that needs two."""
    monkeypatch.setattr(jars.sys, "prefix", str(tmp_path))
    monkeypatch.setattr(jars, "pinned", lambda **_: (GOOD, OTHER))
    monkeypatch.setattr(jars, "stop_jvm", lambda _: None)
    return tmp_path / "share" / "credtrail" / "jars"


def delivering(content: bytes | None, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Put a repository in the place of the real one."""
    repository = Repository(content)
    monkeypatch.setattr(jars, "start_jvm", repository.start)
    return repository


def test_fetched_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there is not asked for again, and only the jars are left behind."""
    repository = delivering(b"good", monkeypatch)

    assert jars.fetch() == [folder / GOOD.file_name, folder / OTHER.file_name]
    assert jars.fetch() == []
    assert repository.asked == ["org.example:one:1.0,org.example:other:2.0"]
    assert jars.installed() == sorted(folder.iterdir())


def test_only_what_is_missing_or_wrong_is_fetched(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A jar that was damaged is replaced; a good one is left alone."""
    repository = delivering(b"good", monkeypatch)
    jars.fetch()
    (folder / OTHER.file_name).write_bytes(b"cut of")

    assert jars.fetch() == [folder / OTHER.file_name]
    assert repository.asked[1:] == ["org.example:other:2.0"]


def test_wrong_content_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A jar that is not what was pinned is named, with both checksums, and not kept."""
    delivering(b"evil", monkeypatch)
    evil = hashlib.sha256(b"evil").hexdigest()

    with pytest.raises(JarsError, match=rf"org\.example:one:1\.0 .*{evil}.*{GOOD.sha256}"):
        jars.fetch()

    assert list(folder.iterdir()) == []


def test_no_network_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be fetched, the reason is passed on in words, with a log that is kept."""
    delivering(None, monkeypatch)

    with pytest.raises(JarsError, match=r"could not be fetched.*unresolved dependency; see .*log$"):
        jars.fetch()

    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("folder")
def test_missing_at_run_time_names_the_command() -> None:
    """A session without jars says how to fetch them."""
    with pytest.raises(JarsError, match=r"one-1\.0\.jar, .*-m jobs\.jars"):
        jars.installed()


def test_unknown_spark_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Spark that nothing is pinned for is named, beside those that are known."""
    monkeypatch.setattr(jars, "version", lambda _: "9.8.7")

    with pytest.raises(JarsError, match=r"PySpark 9\.8\.7 .* 4\.1"):
        jars.pinned()


def test_command_tells_a_mishap_without_a_stack_trace(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``python -m jobs.jars``: what was fetched and status 0, or the reason and status 1."""
    delivering(b"evil", monkeypatch)
    assert jars.main([]) == 1
    assert "It is not used" in capsys.readouterr().err

    delivering(b"good", monkeypatch)
    assert jars.main([]) == 0
    assert f"fetched {folder / GOOD.file_name}" in capsys.readouterr().out


def test_this_environment_has_the_pinned_jars(monkeypatch: pytest.MonkeyPatch) -> None:
    """The jars that these very tests run on are those that are pinned, to the byte."""
    repository = delivering(None, monkeypatch)

    assert jars.fetch() == []
    assert repository.asked == []
