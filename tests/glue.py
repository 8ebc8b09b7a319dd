"""A stand-in for S3 and Glue that, as AWS does and moto does not, refuses a stale version.

``python tests/glue.py PORT``: serves until it is ended. Without this refusal commits that come at
the same moment would be lost in silence, and a test of them would prove nothing.
"""

from __future__ import annotations

import sys
import threading

from moto.core.exceptions import JsonRESTError
from moto.glue import responses
from moto.server import main

_update = responses.GlueResponse.update_table
_STALE = "ConcurrentModificationException"
_LOCK = threading.Lock()


def update_table(self):
    """Update a table only if nobody has updated it since the caller looked."""
    name = self.parameters["TableInput"]["Name"]
    expected = self.parameters.get("VersionId")
    with _LOCK:
        table = self.glue_backend.get_table(self.parameters["DatabaseName"], name)
        current = table.as_dict()["VersionId"]
        if expected is not None and expected != current:
            raise JsonRESTError(_STALE, f"The version is {current}, not {expected}.")
        return _update(self)


responses.GlueResponse.update_table = update_table

if __name__ == "__main__":
    main(["--host", "127.0.0.1", "--port", sys.argv[1]])
