"""Many synthetic rows, to see how pages and queries stand up to them.

Their numbers come from the emulated boards' physics in closed form. Nothing was measured and
no board, not even an emulated one, ran: every row says so.
"""

NOTE = (
    "Synthetic rows from manage.py fill_database, computed from the emulated board's physics: "
    "nothing was measured."
)
