"""One Spark for all tests, and its name for doctests; here, as doctests are beside the code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Return the session of all tests; ``spark_session`` makes further ones beside it, cheaply."""
    from jobs.session import spark_session
    from tests.runs import SMALL

    session = spark_session(SMALL, str(tmp_path_factory.mktemp("warehouse")), "credtrail tests")
    yield session
    session.stop()


@pytest.fixture(scope="module")
def judged_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Judge the same batches once in a module that is about all else of a run: the verdicts."""
    from tests.runs import judging_once

    folder = tmp_path_factory.mktemp("verdicts")
    with pytest.MonkeyPatch.context() as patch:
        judging_once(patch, folder)
        yield folder


@pytest.fixture(scope="module")
def same_judged_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Judge once what is the same to the last row, in a module in which verdicts count."""
    from tests.runs import judging_once, same_rows

    with pytest.MonkeyPatch.context() as patch:
        judging_once(patch, tmp_path_factory.mktemp("verdicts"), same_rows)
        yield


@pytest.fixture(autouse=True)
def _name_for_doctests(request: pytest.FixtureRequest) -> None:
    """Give a doctest that says ``spark`` the session; the others start none."""
    examples = getattr(getattr(request.node, "dtest", None), "examples", ())
    if any("spark" in example.source for example in examples):
        names = request.getfixturevalue("doctest_namespace")
        names["spark"] = request.getfixturevalue("spark")
