"""The demo as it is told on the terminal; what it runs is tested where it lives."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from jobs import demo
from tests.results import finding, warehouse

if TYPE_CHECKING:
    import pytest


def test_the_demo_says_once_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """After the list and the card of one case, as the last thing of all, on stdout."""
    monkeypatch.setattr(demo, "_simulate", lambda _trail, _progress: None)
    monkeypatch.setattr(
        demo, "_detect", lambda _trail, folder: warehouse(folder, findings=[finding()])
    )

    assert demo.run(Namespace(output=str(tmp_path / "demo"))) == 0

    out, err = capfd.readouterr()
    assert "1 finding in 1 case" in err
    assert (out.count("Next:"), err.count("Next:")) == (1, 0)
    places = [
        out.index(part) for part in ("credtrail detect", "\nContain, unless", "Next:", "own trail")
    ]
    assert places == sorted(places)
    assert out.endswith("your own trail\n\n")
