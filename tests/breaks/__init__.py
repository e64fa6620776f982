"""Breaks that the tests have to catch, and the proof that they do.

A break is a small fault that a refactoring could make in silence. Each stands in the TOML file of
its room: a name, a file, the text in it, the text that makes the fault, and the tests that have
to fail then. ``python -m tests.breaks`` makes each fault in a copy of the repository and runs
its tests; ``--only`` takes names of breaks or rooms. What it finds goes into ``record.json``.
"""
