"""Settings: the shipped ``conf/base.toml``, and what a file of the user says otherwise.

Every mistake is told at once. Defaults and their reasons stand in the file alone.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from jobs.errors import Problem, SettingsError
from jobs.mistakes import explain

if TYPE_CHECKING:
    from jobs.allowlist import Entry

BASE = "conf/base.toml"
_FILES = ("allow_list", "ip_ranges")

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]
MOST_DAYS = 100 * 366
Days = Annotated[int, Field(ge=0, le=MOST_DAYS)]
Minutes = Annotated[int, Field(ge=0, le=24 * 60)]
Size = Annotated[ByteSize, Field(ge=1)]
Account = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class MethodSettings(_Section):
    """What decides a verdict."""

    policy: Literal["default", "seed"]
    ttl_hours: Annotated[int, Field(ge=1, le=30 * 24)]
    neighbours: Count
    birth_window_hours: Annotated[int, Field(ge=1, le=30 * 24)]
    bucket_hours: Count
    clock_skew_minutes: Minutes
    move_grace_minutes: Minutes
    egress_share: Share
    permit_hours: Count
    stop_grace_minutes: Minutes
    fold_stays: Count
    accept_name_proof: bool
    weak_signals: bool

    @field_validator("bucket_hours")
    @classmethod
    def _within_ttl(cls, hours: int, info: ValidationInfo) -> int:
        ttl = info.data.get("ttl_hours", hours)
        if hours > ttl:
            message = f"It must be at most ttl_hours, which is {ttl}"
            raise ValueError(message)
        return hours


class WorkloadSettings(_Section):
    """Which workloads are judged beside EC2 instances."""

    ecs_task: bool
    eks_pod: bool
    lambda_function: bool
    managed_instance: bool
    instance_identity: bool

    @property
    def judged(self) -> tuple[str, ...]:
        """Kinds that are switched on: names of :data:`transforms.workloads.OTHERS`."""
        return tuple(kind for kind, is_on in self if is_on)


class AccountSettings(_Section):
    """Accounts of ours that no trail names."""

    ours: tuple[Account, ...] = Field(strict=False)


class InputSettings(_Section):
    """How input is taken in."""

    late_days: Annotated[int, Field(ge=0, le=366)]
    batch_bytes: Size
    max_file_bytes: Size
    max_record_chars: Count


class EvidenceSettings(_Section):
    """Which calls are gathered, and how many."""

    min_severity: Literal["critical", "high", "medium", "low", "informational"]
    max_calls: Count


class FindingSettings(_Section):
    """What a finding shows."""

    top_values: Count


class AllowListSettings(_Section):
    """Where the allow-list is."""

    file: str


class IpRangeSettings(_Section):
    """Where AWS address space is told, and when that is too old."""

    file: str
    max_age_days: Count


class LeaseSettings(_Section):
    """How long a dead run keeps others out, and how long a run waits for another."""

    minutes: Count
    wait_minutes: Minutes


class MaintainSettings(_Section):
    """What ``maintain`` compacts, and how long what is kept."""

    small_files: Annotated[int, Field(ge=2)]
    file_bytes: Size
    small_manifests: Annotated[int, Field(ge=2)]
    roll_up_days: Days
    snapshot_days: Days
    keep_snapshots: Count
    orphan_days: Annotated[int, Field(ge=1, le=MOST_DAYS)]
    rejects_days: Days
    runs_days: Days
    closed_calls_days: Days


def _as_spark_has_them(table: object) -> object:
    return dict(_flat(table)) if isinstance(table, Mapping) else table


def _flat(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield ``a.b`` for nested tables, and numbers and truth values as the text Spark takes."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, str(value).lower() if isinstance(value, int | float) else value


SparkName = Annotated[str, StringConstraints(pattern=r"^spark\.\S+$")]


class Settings(_Section):
    """All settings of a run, checked."""

    method: MethodSettings
    workloads: WorkloadSettings
    accounts: AccountSettings
    inputs: InputSettings
    evidence: EvidenceSettings
    findings: FindingSettings
    allow_list: AllowListSettings
    ip_ranges: IpRangeSettings
    lease: LeaseSettings
    maintain: MaintainSettings
    spark: Annotated[dict[SparkName, str], BeforeValidator(_as_spark_has_them)]

    def digest(self, *, allow_list: Sequence[Entry], ip_ranges: str, ladder_version: int) -> str:
        """Return a digest of everything that can change a finding, and of nothing else.

        Args:
            allow_list: the entries themselves: the name of their file changes nothing.
            ip_ranges: digest of AWS address space.
            ladder_version: version of the rules.
        """
        decisive = {
            "method": self.method.model_dump(),
            "workloads": self.workloads.judged,
            "evidence": self.evidence.model_dump(),
            "findings": self.findings.model_dump(),
            "accounts": sorted(set(self.accounts.ours)),
            "allow_list": [entry.as_text() for entry in allow_list],
            "ip_ranges": ip_ranges,
            "ladder_version": ladder_version,
        }
        canonical = json.dumps(decisive, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def load(path: str | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Return the shipped settings with what a user's file says otherwise.

    Args:
        path: the user's settings file (TOML), if any.
        overrides: sections with values that win over both, as a program gives them.

    Raises:
        SettingsError: all mistakes in the file and the overrides.
    """
    base = shipped()
    said = _read(path) if path else {}
    tables = _merged(_merged(base, said), overrides or {})
    try:
        return Settings.model_validate(tables)
    except ValidationError as error:
        source = path or "settings given by the program"
        raise SettingsError(explain(error.errors(), source, base)) from None


def shipped() -> dict[str, Any]:
    """Return the tables of ``conf/base.toml``."""
    text = (Path(__file__).parents[1] / BASE).read_text(encoding="utf-8")
    return tomllib.loads(text)


def _read(path: str) -> dict[str, Any]:
    """Return the tables of a user's file; the files it names are relative to it."""
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise _unreadable(path, f"{error}.", f"Correct it; {BASE} shows the form.") from None
    except UnicodeDecodeError:
        raise _unreadable(path, "this is no UTF-8 text.", "Save it as UTF-8.") from None
    except OSError as error:
        what = f"{error.strerror}."
        raise _unreadable(path, what, "Name a settings file, or none for the defaults.") from None
    for section in _FILES:
        table = tables.get(section)
        if isinstance(table, dict) and isinstance(table.get("file"), str) and table["file"]:
            table["file"] = str(Path(path).parent / Path(table["file"]).expanduser())
    return tables


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for section, table in above.items():
        both = isinstance(table, Mapping) and isinstance(merged.get(section), Mapping)
        merged[section] = {**merged[section], **table} if both else table
    return merged


def _unreadable(path: str, found: str, advice: str) -> SettingsError:
    return SettingsError([Problem(path, found, advice)])
