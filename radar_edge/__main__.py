"""`python -m radar_edge` is the command `radar-edge`."""

from radar_edge.cli.main import main

if __name__ == "__main__":
    main()
