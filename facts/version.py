"""The version of Rackwright: the one place, read by the packaging, the command line and every plan."""

VERSION = "0.1.0"
