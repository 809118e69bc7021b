"""The reader of logs: from files, a warehouse or a package to one canonical form, every value as written."""
