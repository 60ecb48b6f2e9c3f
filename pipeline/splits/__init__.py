"""Splits: the images of a release on this machine, each with how it compares to the released one."""
