"""RADAR's network: an encoder per modality, modality alignment (MAA), modality-robust fusion (MRF). Torch only."""
