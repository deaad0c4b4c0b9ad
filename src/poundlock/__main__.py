"""`python -m poundlock` is the command line."""

from poundlock.cli.main import main

raise SystemExit(main())
