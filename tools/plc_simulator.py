"""The simulated PLC on a serial port: see radar_edge/simulation/plc.py for what it does and prints."""

import sys

from radar_edge.simulation.plc import main

if __name__ == "__main__":
    sys.exit(main())
