"""Pages that stand by themselves."""
