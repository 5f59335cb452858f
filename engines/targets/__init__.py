"""The boards as data, installed as the package radar_edge_targets and read by radar_edge.targets."""
