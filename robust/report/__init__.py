"""Turn records into rows, boards, tables and pages: pure functions to strings, without torch."""
