"""The command `titer`, and `python -m titer`."""

import signal
import sys


def main() -> int:
    """Does what the command line asks for and gives the exit code."""
    # Python turns Ctrl-C into an exception that waits for Rust; the command ends at once, as it does without Python.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from ._lab import main as command

    return command(["titer", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
