"""What a face asks of a live cluster: set up, start, look, submit, drain, meter, care."""
