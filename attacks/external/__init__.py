"""One other library a file: its attacks through our drivers, so that they are judged and counted like ours."""
