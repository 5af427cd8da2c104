"""From a command line to stored scores."""
