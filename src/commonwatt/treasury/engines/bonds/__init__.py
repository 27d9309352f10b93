"""Cash flows, prices and yields of bonds, each by the convention that its terms name."""
