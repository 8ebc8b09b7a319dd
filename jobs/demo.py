"""``credtrail demo``: simulate a small organisation, detect, and show what was found."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.errors import CredtrailError

if TYPE_CHECKING:
    from jobs.progress import Progress

_MARK = ".credtrail-demo"
_INSTANCES, _DAYS, _ACCOUNTS = 300, 3, 3
_FORMAT = "cloudtrail-parquet"
_STORIES = "t01,t02,t03,t04,t05,t07,t14,t16,t19,t20,b01,b05,b06,b12,b13,b16,b26"
"""Enough for a first look; evaluate plays them all."""


def run(args: argparse.Namespace) -> int:
    """Entry point of ``credtrail demo``."""
    from jobs import findings
    from jobs.progress import Progress
    from jobs.warehouse import Warehouse

    folder = Path(args.output)
    _make_room(folder)
    trail, warehouse = folder / "trail", folder / "warehouse"
    _simulate(trail, Progress())
    _say(f"\n$ credtrail detect --input {trail} --warehouse {warehouse}\n")
    _detect(trail, warehouse)
    findings.show(str(warehouse), "table", "low", lead_on=False)
    with Warehouse(str(warehouse)) as opened:
        worst = findings.worst(opened)
        if worst:
            _say(f"\n$ credtrail findings --warehouse {warehouse} --id {worst}\n")
            findings.show_case(opened, worst, "table", most_calls=10)
    _say(_next(trail, warehouse))
    return 0


def _make_room(folder: Path) -> None:
    """Empty the folder of a former demo; never a folder that holds anything else."""
    if folder.exists():
        if any(folder.iterdir()) and not (folder / _MARK).exists():
            msg = (
                f"{folder} is not empty and was not made by the demo. Name another folder with "
                "--output, or empty this one."
            )
            raise CredtrailError(msg)
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / _MARK).touch()


def _simulate(trail: Path, progress: Progress) -> None:
    from jobs.simulate import simulate

    _say(
        f"$ credtrail simulate --output {trail} --instances {_INSTANCES} --days {_DAYS} \\\n"
        f"    --format {_FORMAT} --stories {_STORIES}\n"
    )
    with progress.stage("simulate") as stage:
        labels = simulate(
            trail,
            format=_FORMAT,
            stories=_STORIES,
            accounts=_ACCOUNTS,
            instances=_INSTANCES,
            days=_DAYS,
        )
        stage.say(labels.summary())


def _detect(trail: Path, warehouse: Path) -> None:
    """Do what ``credtrail detect`` does, but for the list at its end."""
    from jobs import detect
    from jobs.runs import Run
    from jobs.session import spark_session
    from jobs.settings import load
    from jobs.world import know

    settings = load(None)
    this = Run(str(trail), settings, know(settings))
    for warning in this.knowledge.warnings:
        this.progress.warn(warning)
    files = detect.list_files(this)
    with this.progress.stage("start Spark"):
        spark = spark_session(settings.spark, str(warehouse))
    detect.detect(spark, this, files)


def _next(trail: Path, warehouse: Path) -> str:
    return f"""
Next:
  credtrail findings --warehouse {warehouse} --id ID      any other finding in full
  credtrail review CASE --state false_alarm --note WHY --warehouse {warehouse}
  credtrail detect --input {trail} --warehouse {warehouse}      again: reads new files only
  credtrail detect --input AWSLogs/ --warehouse mine      your own trail
"""


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
