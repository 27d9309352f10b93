"""What a face calls on a live cluster: set up, start, observe, submit, drain, meter, care."""
