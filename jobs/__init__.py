"""The only code that touches the world: files, tables, clock, terminal."""
