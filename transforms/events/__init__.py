"""Any shape of CloudTrail -> ``schemas.RECORDS``: one module per shape, one row per record.

``record`` is what all shapes share: which fields count, and which records can be used.
"""
