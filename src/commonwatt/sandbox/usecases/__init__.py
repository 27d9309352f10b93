"""What a face asks of a data project: import, risk, submit, review, release, budget."""
