"""What a finished run got right and wrong."""
