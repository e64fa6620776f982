"""Rankings of many pictures or captions, and why two of them differ."""
