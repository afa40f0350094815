"""Using a finished model: predictions and the HTTP routes."""
