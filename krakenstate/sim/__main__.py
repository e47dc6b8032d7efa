"""`python -m krakenstate.sim --dir DIR [--port 0] [--now ISO]`."""

import argparse
import sys
from pathlib import Path

from krakenstate.sim.clock import parse_instant
from krakenstate.sim.errors import DevError
from krakenstate.sim.server import serve


def main() -> int:
    """Serve until told to stop; the exit code comes back."""
    parser = argparse.ArgumentParser(
        prog="python -m krakenstate.sim", description="Serve a simulated Kraken."
    )
    parser.add_argument("--dir", type=Path, required=True, help="where the world is kept")
    parser.add_argument("--port", type=int, default=0, help="port on loopback; 0 takes a free one")
    parser.add_argument("--now", type=parse_instant, help="where the simulated clock starts, ISO 8601")
    arguments = parser.parse_args()
    try:
        serve(arguments.dir, arguments.port, arguments.now)
    except DevError as error:
        print(f"Error: {error.message}\n  {error.next_step}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Error: Cannot listen on port {arguments.port}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
