"""The fold by itself: what a whole judging would show only after a thousand stays."""

from __future__ import annotations

from pyspark.sql.types import StructType

from tests.factories import at, table
from transforms.homes import Fold, folded, outcomes

PRESENCE = (
    "session_id string, source string, source_address string, source_kind string, network string, "
    "first_seen timestamp, last_seen timestamp, aws boolean, in_own_region boolean, egress boolean,"
    "explained boolean, gives_way boolean, corroborated_by string, exact boolean, "
    "permitted boolean, endpoint_owner string, endpoint_ours boolean, another_here boolean, "
    "holder string, elastic_until timestamp, signal_groups int, peers bigint, "
    "public_peers bigint, v6_neighbours bigint"
)
BIRTH, LIFE = "session_id string, first_alive timestamp", "session_id string, alive_at timestamp"
HOME, NEW, NEWER = "52.95.255.121", "54.240.230.177", "54.240.1.1"


def _presences(spark, stays):
    """Short stays of one session at public addresses in AWS space of its own region."""
    in_aws = ("aws", "in_own_region")
    no = ("egress", "explained", "gives_way", "exact", "permitted", "endpoint_ours", "another_here")
    rows = [
        {"source": s, "source_address": s, "first_seen": at(h), "last_seen": at(h)}
        for h, s in stays
    ]
    return table(
        spark,
        StructType.fromDDL(PRESENCE),
        rows,
        session_id="one",
        source_kind="public_ipv4",
        network="public_ipv4",
        **dict.fromkeys(in_aws, True),
        **dict.fromkeys(no, False),
        **dict.fromkeys(("peers", "public_peers", "v6_neighbours"), 0),
    )


def _said(spark, stays, most):
    """Outcome of each stay, if so many are folded."""
    numbers = Fold(7, 6, 5, max_stays=most, neighbours=3)
    presences = _presences(spark, stays)
    births = table(spark, StructType.fromDDL(BIRTH), [{"session_id": "one", "first_alive": at(0)}])
    lives = table(spark, StructType.fromDDL(LIFE), [])
    folds = folded(presences, lives, births, numbers)
    rows = outcomes(folds, presences).orderBy("first_seen").collect()
    return [(row.source, row.outcome) for row in rows]


def test_beyond_the_fold_nothing_is_new(spark):
    """Of the stays that are too many to fold, those at a home are home; no other is excused."""
    stays = [(0, HOME), (10, NEW), (20, NEW), (30, NEWER)]

    assert _said(spark, stays, 2) == [
        *[(HOME, "home"), (NEW, "restarted")],
        *[(NEW, "home"), (NEWER, "mismatch")],
    ]
    assert _said(spark, stays, 3)[-1] == (NEWER, "mismatch")
    assert _said(spark, stays, 4)[-1] == (NEWER, "restarted")
