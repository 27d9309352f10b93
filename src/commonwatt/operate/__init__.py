"""The live side of the fleet: the policy that won in the simulator runs a real cluster.

A backend observes and acts (`backends`), a controller decides with the simulator's own
policy functions, and what was used comes back as a trace that the simulator reads.
"""
