"""What two ends agree on about the marks of routers, and how they are counted and told of."""
