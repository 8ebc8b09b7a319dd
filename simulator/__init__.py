"""CloudTrail as dicts, made by rule and seed: stories of thefts, and a healthy fleet around them."""
