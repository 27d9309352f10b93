"""The levelised cost of a GPU-hour, where its inputs come from and how sure they are.

``inputs`` names what the model takes, ``cells`` reads sourced values, ``model``
computes the cost, ``chance`` draws it, ``drivers`` explains it.
"""
