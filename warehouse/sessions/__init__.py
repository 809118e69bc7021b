"""One session per kind of warehouse that vectors are written to."""
