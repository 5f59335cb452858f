"""Runners: one engine behind one seam, whichever library executes it."""
