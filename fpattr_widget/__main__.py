"""``python -m fpattr_widget`` is the command line."""

from .cli import main

raise SystemExit(main())
