"""The pages, one file each, listed in `dashboard.navigation`."""
