"""What a database is read by: its catalog as lines, the locks of a statement, and every statement seen on its way."""
