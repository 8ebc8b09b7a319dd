"""CloudTrail as plain dicts: an invented organisation and labelled stories. No Spark.

Everything is a function of a seed: the same seed gives the same records, ids and files. Imports
point one way: ids, moments, source, partitions -> identity, calls -> record, workloads -> story,
fleet -> writers.
"""
