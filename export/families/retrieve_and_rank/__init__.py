"""The `retrieve_and_rank` family: the towers retrieve candidates, and the ranker scores only those."""
