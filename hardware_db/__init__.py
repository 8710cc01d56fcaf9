"""The hardware catalog: YAML facts with their sources, checked and converted to SI once, as frozen records."""

from __future__ import annotations

from hardware_db.catalog import Hardware, load_hardware

__all__ = ["Hardware", "load_hardware"]
