"""What `./run_all.sh` starts: looks at what is asked for, and only then loads what runs it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ktlib.companion import asked


def main(argv: Sequence[str] | None = None) -> int:
    """Run notebooks from the command line; returns what `runs.main` does, and 2 where a name fits no notebook."""
    arguments = asked.arguments(argv)
    try:
        asked.discover(arguments.root, arguments.only)
    except asked.RunError as error:
        print(error, file=sys.stderr)
        return 2
    from ktlib.companion import runs  # torch and every study, which take seconds to load

    return runs.main(argv)


if __name__ == "__main__":
    sys.exit(main())
