"""What maintain says that it did."""

from __future__ import annotations

from pathlib import Path

from jobs.maintain import Upkeep
from jobs.settings import load
from jobs.upkeep import Files
from jobs.upkeep_report import bytes_on_disk, show

KIB = 1024


def done(**said) -> Upkeep:
    """A run that made one file of seven, forgot two states, and found nothing else to do."""
    this = Upkeep(load())
    this.before = {"findings": Files(1, 512), "sightings": Files(7, 9 * KIB)}
    this.after = {"findings": Files(1, 512), "sightings": Files(1, 4 * KIB)}
    this.remove("pruned", {"rejects": 0})
    this.remove("snapshots", {"findings": 0, "sightings": 1200, "writer": 2})
    for name, value in said.items():
        setattr(this, name, value)
    return this


def test_a_line_for_each_table_that_changed(capsys):
    """Tables and columns of which there is nothing to say are left out."""
    show(done(), 20 * KIB, 15 * KIB)

    assert capsys.readouterr().out.splitlines() == [
        "table      files               data  snapshots expired",
        "sightings  7 → 1  9.0 KiB → 4.0 KiB              1,200",
        "writer                                               2",
        "Files that queries read: 8 → 2 files. On disk: 20.0 KiB → 15.0 KiB, 5.0 KiB freed.",
    ]


def test_space_that_is_freed_later(capsys):
    """Files that were replaced are still there for those who look back: that is said."""
    show(done(), 15 * KIB, 20 * KIB)

    assert capsys.readouterr().out.endswith(
        "On disk: 15.0 KiB → 20.0 KiB, 5.0 KiB more for now; files that were replaced go when "
        "their snapshots expire.\n"
    )


def test_nothing_to_do(capsys):
    """A warehouse in order gets one line; of one in S3 nobody knows the bytes."""
    same = {"findings": Files(1, 512)}

    show(done(before=same, after=same, gone={"pruned": {}, "orphans": {}}), None, None)

    assert capsys.readouterr().out == "Nothing to do.\n"


def test_bytes_of_a_folder(tmp_path: Path):
    """All files below it count, links do not lead out of it, and S3 is not asked."""
    (tmp_path / "wh" / "data").mkdir(parents=True)
    (tmp_path / "wh" / "a").write_bytes(b"12345")
    (tmp_path / "wh" / "data" / "b").write_bytes(b"1234567")
    (tmp_path / "big").write_bytes(b"1" * 100_000)
    (tmp_path / "wh" / "link").symlink_to(tmp_path, target_is_directory=True)

    assert 12 <= bytes_on_disk(str(tmp_path / "wh")) < 1000
    assert bytes_on_disk("s3://bucket/wh") is None
