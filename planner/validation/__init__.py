"""Predicted against measured: one module a kind of measured run, one record a compared quantity."""
