"""Evidence packs: a sweep with all that its result rests on, as a ZIP that another PolyWeb reads.

`seal` the container and its hashes, `tables` rows as plain values and back, `export` and
`importing` the two deeds, `pages` the figures as HTML. docs/evidence.md says what is inside.
"""
