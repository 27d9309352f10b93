"""Tables with units: what a column means, and how tables are read and written.

A `Table` names its columns with type, unit and meaning once; the writers, the
reference pages and the reports all read that one description.
"""
