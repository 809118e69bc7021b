"""Reading a log: from files, a warehouse or a package to one canonical form, every value as it was written."""
