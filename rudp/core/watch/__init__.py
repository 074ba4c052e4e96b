"""What a watcher is told, and what may be asked."""
