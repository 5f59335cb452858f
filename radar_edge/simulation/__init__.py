"""The line without a line: a cable, a PLC in its own process, and scripts that break things on time."""
