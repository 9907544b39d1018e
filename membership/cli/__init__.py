"""The `membership` command: arguments in, exit codes out, data on stdout and talk on stderr."""
