"""Make text with known identifiers, and learn from it how names stand in text.

`grammar` reads templates of our own, `fillers` makes what stands in their slots,
`corpus` joins both into documents, `learn` trains the weights that the tagger
ships with. An institution may run it again with names and templates of its own.
"""
