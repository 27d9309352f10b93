"""What a face asks about medical models: classify, register, approve, monitor, explain."""
