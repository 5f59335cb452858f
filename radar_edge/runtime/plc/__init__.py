"""The link to the line's PLC: drivers behind one seam (link.PlcLink)."""
