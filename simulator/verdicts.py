"""Verdicts that a story may expect: the names of the ladder, and how severe each may be.

The ladder itself lives with the judging code; these are all its names, planned ones as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SEVERITIES = ("critical", "high", "medium", "low", "informational")

EXCUSES = (
    "allow_listed",
    "on_behalf",
    "internal",
    "forwarded",
    "assigned_address",
    "moved",
    "restarted",
    "shared_egress",
    "known_endpoint",
)

_ALARMS: Mapping[str, tuple[str, ...]] = {
    "console_session": ("high",),
    "not_running": ("high",),
    "another_workload": ("high",),
    "self_made_address": ("low", "high"),
    "foreign_endpoint": ("critical", "low"),
    "unknown_endpoint": ("high",),
    "hidden_service_source": ("medium",),
    "impersonated_session": ("medium",),
    "outside_home": ("medium",),
    "inside_aws": ("high", "medium"),
    "outside_aws": ("high",),
    "unknown_private": ("medium", "low"),
    "unclassified": ("medium", "informational"),
    "weak_signal": ("low",),
}


def _with_next(severities: tuple[str, ...]) -> tuple[str, ...]:
    """Add the severity one step up: a thief who goes on from there raises it."""
    raised = [SEVERITIES[max(0, SEVERITIES.index(one) - 1)] for one in severities]
    return tuple(one for one in SEVERITIES if one in {*severities, *raised})


ALARMS = {name: _with_next(severities) for name, severities in _ALARMS.items()}

VERDICTS = (*EXCUSES, *ALARMS)
