"""radar-edge: modality-incomplete anomaly inspection, from good parts to a PLC's reject signal."""

from importlib.metadata import version

__version__ = version("radar-edge")
