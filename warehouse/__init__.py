"""The warehouse: the history of embeddings, one partition a run, and logs to train on; by URL, through Ibis."""
