"""Every way of measuring contributions."""
