"""Which sites to open, how large, and which load runs where, hour by hour.

``problem`` holds the arrays, ``exact`` hands them to HiGHS whole, ``dayflow``
places one day at given sizes, ``decompose`` joins the days to a proved gap,
``rolling`` knows only tomorrow's prices, ``explain`` says what the limits cost.
"""
