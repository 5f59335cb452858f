"""Foreign data sets as the product's own folders: `radar-edge dataset import KIND SRC DST`.

plan       what an adapter says: parts, the file behind each image and mask, faults and notes
table      the adapters by name
importing  finds the categories, plans them, writes and checks them: the one place that writes
depth, mel, registration   conversions that several adapters or none of the others need

One module an adapter. An adapter reads names and small text files (and pixels only where the set keeps its labels in
them), writes nothing, mends nothing, and lists everything that is missing or left over.
"""
