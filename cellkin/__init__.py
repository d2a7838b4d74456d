"""CellKin's command line. Parses, calls, prints; holds no logic."""

__version__ = "0.1.0"
