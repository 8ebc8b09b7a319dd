"""Measurements of credtrail beside its peers, on the same files, in one sitting."""
