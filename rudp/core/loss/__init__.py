"""What is outstanding, and what of it is lost."""
