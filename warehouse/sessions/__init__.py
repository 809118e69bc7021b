"""The sessions of each kind of warehouse to which vectors are written."""
