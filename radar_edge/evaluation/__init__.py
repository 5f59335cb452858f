"""How good a detector is: metrics, the evaluation of any Runner on any Subset, the report."""
