"""What is written in C, under tools that see what Python does not."""
