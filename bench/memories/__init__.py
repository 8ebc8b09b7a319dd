"""Memories of a long past, made without the events."""
