"""Run credtrail on a cluster of Spark's own: a master and workers, started on this machine.

``python -m bench.cluster --workers 2 detect --input … --warehouse …``: what follows is a command
of credtrail. The cluster lives as long as the command, so that what it costs is counted, too.
Executors share the files of this machine, and have the jars by path.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_HERE = "127.0.0.1"
_CLASS = "org.apache.spark.deploy"
_PATIENCE = 60
_EXECUTOR_MEMORY = "2g"
_WORKER_MEMORY = "3g"


class ClusterError(RuntimeError):
    """The cluster did not start: why, and what it said."""


def main() -> int:
    """Run a command of credtrail on a cluster; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.cluster", description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cores", type=int, default=1, help="cores of each worker")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with cluster(folder, args.workers, args.cores) as master:
            file = folder / "settings.toml"
            file.write_text(settings(master, args.cores), encoding="utf-8")
            command = [*args.command, "--settings", str(file)]
            return subprocess.run(
                [sys.executable, "-m", "jobs.cli", *command], check=False
            ).returncode


@contextmanager
def cluster(folder: Path, workers: int, cores: int) -> Iterator[str]:
    """Start a cluster that ends with the block; yield the address of its master.

    Args:
        folder: for what it says and for the work of its executors.
        workers: how many.
        cores: of each worker.

    Raises:
        ClusterError: not all workers are there after a minute.
    """
    with ExitStack() as started:
        port, page = _free_port(), _free_port()
        address = f"spark://{_HERE}:{port}"
        where = ("--host", _HERE, "--port", str(port), "--webui-port", str(page))
        started.enter_context(_daemon(folder / "master.log", f"{_CLASS}.master.Master", *where))
        for number in range(workers):
            options = (
                "--host",
                _HERE,
                "--webui-port",
                str(_free_port()),
                "--cores",
                str(cores),
                "--memory",
                _WORKER_MEMORY,
                "--work-dir",
                str(folder / f"work-{number}"),
                address,
            )
            log = folder / f"worker-{number}.log"
            started.enter_context(_daemon(log, f"{_CLASS}.worker.Worker", *options))
        _wait_for(workers, page, folder)
        yield address


def settings(master: str, cores: int) -> str:
    """Return the settings with which credtrail runs on a cluster of this machine."""
    from jobs import jars

    values = {
        "spark.master": master,
        "spark.executor.cores": str(cores),
        "spark.executor.memory": _EXECUTOR_MEMORY,
        "spark.executor.extraClassPath": os.pathsep.join(map(str, jars.installed())),
        # as the driver has it: plans are deep, and there is one time zone
        "spark.executor.extraJavaOptions": "-XX:+UseParallelGC -Xss4m -Duser.timezone=UTC",
    }
    lines = [f'"{name}" = {json.dumps(value)}' for name, value in values.items()]
    return "\n".join(["[spark]", *lines, ""])


@contextmanager
def _daemon(log: Path, *command: str) -> Iterator[None]:
    """Run one of Spark's own programs until the block ends."""
    import pyspark

    from jobs.java import find_java

    home = Path(pyspark.__file__).parent
    environment = {
        **os.environ,
        "SPARK_HOME": str(home),
        "JAVA_HOME": str(find_java().home),
        "SPARK_LOCAL_IP": _HERE,
        "SPARK_DAEMON_MEMORY": "512m",
    }
    with log.open("w", encoding="utf-8") as file:
        program = subprocess.Popen(
            [str(home / "bin" / "spark-class"), *command],
            stdout=file,
            stderr=file,
            env=environment,
        )
        try:
            yield
        finally:
            program.terminate()
            program.wait()


def _wait_for(workers: int, page: int, folder: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while _alive(page) < workers:
        if time.monotonic() > end:
            said = [log.read_text(encoding="utf-8")[-1000:] for log in folder.glob("*.log")]
            message = "No cluster after a minute. It said:\n" + "\n".join(said)
            raise ClusterError(message)
        time.sleep(0.2)


def _alive(page: int) -> int:
    """Return how many workers the master knows."""
    try:
        with urllib.request.urlopen(f"http://{_HERE}:{page}/json/", timeout=5) as answer:
            return int(json.load(answer)["aliveworkers"])
    except (OSError, ValueError):
        return 0


def _free_port() -> int:
    with socket.socket() as opened:
        opened.bind((_HERE, 0))
        return int(opened.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
