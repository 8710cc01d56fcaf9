"""The command line `rackwright`: files in, files out. One module a command; `cli.main` finds it and loads nothing else."""
