"""Child processes: started, watched, stopped and reaped in one way.

A process that cannot be started is an error with a reason and a line in the log, and
never a thread that died. What is stopped is the process that was started and what it
started in turn, known by number and start together, because a number alone is given anew.
"""
