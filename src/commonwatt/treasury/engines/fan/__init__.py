"""Fans: shocks estimated from history, and the paths of debt and reserves under them.

`estimate` learns the shocks from a panel of economies, `inputs` turns a projection
into what the kernel needs, `kernel` runs blocks of paths, `engine` adds the blocks
up in order, and `backtest` scores the whole against what came to pass.
"""
