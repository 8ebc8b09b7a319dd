"""CloudTrail by the ten million: the healthy organisation of ``simulator.fleet``, column by column.

What ``simulator.traffic`` says of one event is said here of a hundred thousand at a time: an event
is a few numbers that point into small tables (kinds of call, identities, addresses, parameters),
and its columns or its JSON are looked up there. Only what is rare is made record by record. One
day of one account is in memory at a time.
"""
