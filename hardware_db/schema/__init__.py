"""What an entry of the catalog may say: the table of units, fields and kinds, and the pydantic models made from it."""
