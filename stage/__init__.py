"""What every stage's command shares: an output folder that is whole or absent, and errors of one line."""
