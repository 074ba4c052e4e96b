"""Programs that let others of the same user see their connections, and how these ask."""
