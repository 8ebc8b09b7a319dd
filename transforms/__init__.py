"""The method as pure functions: DataFrames in, DataFrame out.

The flow, in order (a folder is a role, a module is a table):

1. ``events``      any CloudTrail shape -> one narrow record schema, rejects included
2. ``summary``     records -> sightings, credentials, inventory, rejects, counts per file (one pass)
3. ``stays``       sightings -> who was where, from when to when
4. ``births``      stays -> birth homes, egress, endpoints of ours
5. ``homes``       stays -> homes and mismatches, folded in order of event time
6. ``rules``       the ladder of verdicts; first match wins
7. ``findings``    one row per suspicious (session, source), with its calls

Nothing here opens a session, a path or a clock; nothing here runs an action.
"""
