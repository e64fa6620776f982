"""The parts of a drawing of pairs; ``content`` and ``sentence`` know nothing of matplotlib."""
