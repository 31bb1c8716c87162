"""Attacks of other libraries, one library a file, run by our drivers, so that they are judged and counted like ours."""
