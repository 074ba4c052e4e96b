"""What is to be installed: built as users get it, and tried in environments with nothing else."""
