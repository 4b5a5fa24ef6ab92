"""Lists of rows as pages and files: one declaration of columns a list, and nothing else a list.

`columns` says what a column is, `tables` what a list is, `asked` reads a URL, `listed` makes a
page of it, `files` a CSV or Parquet file of the same rows. All that one chooses (filters, words,
order, columns) stands in the URL.
"""
