"""Names of the signals, their groups, and what a person should think of each: without Spark."""

from __future__ import annotations

GROUPS: dict[str, tuple[str, ...]] = {
    "credential": ("other_delivery", "expired_key", "stale_key"),
    "client": ("new_agent", "new_tls"),
    "behaviour": ("reconnaissance", "console_pivot", "role_chaining", "tampering"),
}
"""Signals of each group, in the order in which they are shown."""

MEANING: dict[str, str] = {
    "other_delivery": "the key was handed out by another version of the metadata service than "
    "this agent's keys at home: somebody fetched it by hand",
    "expired_key": "a key was used past the longest life that EC2 gives to one",
    "stale_key": "an older key was used after a newer one, by the same agent from the same source",
    "new_agent": "a client that no other home of the role shows",
    "new_tls": "this TLS version was never seen at the homes of the role",
    "reconnaissance": "the calls of the first hour look around: who am I, what is there",
    "console_pivot": "the session was turned into a console login",
    "role_chaining": "another role was assumed from there: follow the keys that were issued",
    "tampering": "calls that blind or mislead a detector: trails, event selectors, addresses",
    "attacker_first": "the first address of the session lies outside AWS, and home was seen later: "
    "the first caller is the likely intruder",
    "after_silence": "the calls follow a silence longer than keys live",
    "tie": "two sources were first seen in the same second",
}
"""What a person should think of each signal."""
