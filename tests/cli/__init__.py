"""The command line as users run it, and its parts."""
