"""Both families in one repository: the towers retrieve candidates, the ranker scores only those."""
