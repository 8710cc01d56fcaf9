"""Bytes on the fullest device, in training and in serving: what fits, and by how much."""
