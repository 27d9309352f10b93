"""What leaves a project: checked by machine, seen by two people, named by its bytes.

`checks` reads an output and says every rule that it breaks; `differencing`
compares it with everything released before; `review` moves it from collected
to released, where the bytes that leave are the bytes that were reviewed.
"""
