"""The device side: cameras in, one verdict a trigger out. Imports layers 0 and 1 and inference only."""
