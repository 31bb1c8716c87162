"""From records to tables: rows, boards, and their spellings. Pure functions to strings, without torch."""
