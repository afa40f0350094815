"""What every other folder stands on: errors, limits, names and the only code that writes files."""
