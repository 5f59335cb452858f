"""Cameras in child processes that can be killed: drivers may hang for ever, the line may not."""
